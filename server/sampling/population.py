"""Client sampling: the clients of a round, from the run's own random stream."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fedrec.randomness import generator


def cohort_size(partitions: int, fraction: float) -> int:
    """Clients in a fraction of the partitions, rounded up to at least one; .14 of 50 are 7."""
    return max(1, math.ceil(fraction * partitions - 1e-9))


def sample_partitions(
    partitions: Sequence[int], fraction: float, *, seed: int, round: int, purpose: str
) -> list[int]:
    """Draw a fraction of the partitions, in ascending order.

    Flower's node ids are random in every run, so a draw over them cannot be repeated; partition
    numbers can.

    Args:
        partitions: numbers to draw from.
        fraction: share of them, rounded up to at least one.
        seed: of the run.
        round: number of the round.
        purpose: "select" for training, another word for another draw.
    """
    count = cohort_size(len(partitions), fraction)
    if count >= len(partitions):
        return sorted(partitions)
    drawn = generator(seed, purpose, round).choice(len(partitions), size=count, replace=False)
    ordered = sorted(partitions)
    return sorted(ordered[place] for place in drawn)


@dataclass(frozen=True)
class Population:
    """The users that can be drawn, where each is a client: those with something to train on.

    Attributes:
        users: (n,) global numbers, ascending.
        partitions: (n,) who holds each.
        targets: (n,) training targets of one pass over each.
    """

    users: np.ndarray
    partitions: np.ndarray
    targets: np.ndarray

    @classmethod
    def of(cls, users: Mapping[int, np.ndarray], targets: Mapping[int, np.ndarray]) -> "Population":
        """The population of a registration: partition -> its users, and their training targets."""
        held = sorted(targets)
        everyone = np.concatenate([users[p] for p in held])
        partitions = np.repeat(held, [len(users[p]) for p in held])
        counts = np.concatenate([targets[p] for p in held])
        order = np.argsort(everyone)
        order = order[counts[order] > 0]
        return cls(everyone[order], partitions[order], counts[order])

    def sample(self, cohort: int, *, is_poisson: bool, seed: int, round: int) -> np.ndarray:
        """(m,) the users of a round, ascending, never none.

        Args:
            cohort: how many, at most as many as there are.
            is_poisson: take every user by itself, ``cohort`` of them on average: their number is
                binomial, and given their number all sets are equally likely.
            seed: of the run.
            round: number of the round.
        """
        total = len(self.users)
        stream = generator(seed, "select-users", round)
        count = cohort
        if is_poisson:
            # Nobody at all, which hardly ever happens, would be no round: it is drawn again.
            while (count := int(stream.binomial(total, cohort / total))) == 0:
                pass
        return self.users[np.sort(stream.choice(total, size=count, replace=False, shuffle=False))]

    def by_partition(self, users: np.ndarray) -> dict[int, np.ndarray]:
        """Partition -> which of ``users`` (m,), ascending, it holds."""
        held_by = self.partitions[self.indices(users)]
        return {int(p): users[held_by == p] for p in np.unique(held_by)}

    def targets_of(self, users: np.ndarray) -> np.ndarray:
        """(m,) training targets of ``users``."""
        return np.asarray(self.targets[self.indices(users)])

    def indices(self, users: np.ndarray) -> np.ndarray:
        """(m,) where ``users`` are in the population."""
        return np.asarray(np.searchsorted(self.users, users))


def required_replies(min_participation: float, chosen: int) -> int:
    """How many usable replies a round needs of the clients that it asked: at least one."""
    return cohort_size(chosen, min_participation)
