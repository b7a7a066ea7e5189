"""Client sampling: drawing the clients of a round from the run's own random stream."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fedrec.randomness import generator


def cohort_size(partitions: int, fraction: float) -> int:
    """Number of clients in a fraction of the partitions, rounded up to at least 1.

    0.14 of 50 are 7, not 8: what float multiplication adds is no client.
    """
    return max(1, math.ceil(fraction * partitions - 1e-9))


def sample_partitions(
    partitions: Sequence[int], fraction: float, *, seed: int, round: int, purpose: str
) -> list[int]:
    """Sample a fraction of the partitions, without replacement, in ascending order.

    Flower's node ids are random in every run, so a draw over them cannot be repeated; partition
    numbers can.

    Args:
        partitions: Numbers of the partitions to sample from.
        fraction: Share of the partitions, rounded up to at least one.
        seed: Seed of the run.
        round: Number of the round.
        purpose: Name of the random stream: "select" for training, "evaluate" for evaluation.
    """
    count = cohort_size(len(partitions), fraction)
    if count >= len(partitions):
        return sorted(partitions)
    drawn = generator(seed, purpose, round).choice(len(partitions), size=count, replace=False)
    ordered = sorted(partitions)
    return sorted(ordered[index] for index in drawn)


@dataclass(frozen=True, kw_only=True)
class Population:
    """Users that can be sampled, where each is a client: those with something to train on.

    Attributes:
        users: (n,) Global user numbers, ascending.
        partitions: (n,) Partition that holds each user.
        targets: (n,) Training targets of one pass over each user.
    """

    users: np.ndarray
    partitions: np.ndarray
    targets: np.ndarray

    @classmethod
    def of(cls, users: Mapping[int, np.ndarray], targets: Mapping[int, np.ndarray]) -> "Population":
        """The population of a registration.

        Args:
            users: Partition -> its global user numbers.
            targets: Partition -> training targets of one pass over each of these users.
        """
        held = sorted(targets)
        everyone = np.concatenate([users[p] for p in held])
        partitions = np.repeat(held, [len(users[p]) for p in held])
        counts = np.concatenate([targets[p] for p in held])
        order = np.argsort(everyone)
        order = order[counts[order] > 0]
        return cls(users=everyone[order], partitions=partitions[order], targets=counts[order])

    def sample(self, cohort: int, *, sampling: str, seed: int, round: int) -> np.ndarray:
        """Sample (m,) users of a round, ascending; m is never 0.

        Args:
            cohort: Number of users, at most as many as there are.
            sampling: As ``federation.sampling``. "fixed": ``cohort`` users, all sets equally
                likely. "poisson": every user independently, ``cohort`` of them on average: their
                number is binomial, and given their number all sets are equally likely.
                "shuffled": random reshuffling (Mishchenko et al., NeurIPS 2020; of clients:
                Malinovsky et al., 2022): every user once a pass, in an order drawn for each pass,
                in cohorts of at most ``cohort`` that differ by one user at most.
            seed: Seed of the run.
            round: Number of the round, from 1.
        """
        total = len(self.users)
        if sampling == "shuffled":
            cohorts = math.ceil(total / cohort)
            number, index = divmod(round - 1, cohorts)
            order = generator(seed, "shuffle-users", number).permutation(total)
            return self.users[np.sort(np.array_split(order, cohorts)[index])]
        stream = generator(seed, "select-users", round)
        count = cohort
        if sampling == "poisson":
            # An empty cohort, which hardly ever happens, makes no round: its size is drawn again.
            while (count := int(stream.binomial(total, cohort / total))) == 0:
                pass
        return self.users[np.sort(stream.choice(total, size=count, replace=False, shuffle=False))]

    def by_partition(self, users: np.ndarray) -> dict[int, np.ndarray]:
        """Group ``users`` (m,), ascending, by the partition that holds them."""
        held_by = self.partitions[self.indices(users)]
        return {int(p): users[held_by == p] for p in np.unique(held_by)}

    def targets_of(self, users: np.ndarray) -> np.ndarray:
        """Training targets (m,) of one pass over each of ``users`` (m,)."""
        return np.asarray(self.targets[self.indices(users)])

    def indices(self, users: np.ndarray) -> np.ndarray:
        """Indices (m,) of ``users`` (m,) in the population."""
        return np.asarray(np.searchsorted(self.users, users))


def required_replies(min_participation: float, num_clients: int) -> int:
    """Number of usable replies that a cohort of so many clients must give: at least 1."""
    return cohort_size(num_clients, min_participation)
