"""Who is asked to train in a round: partitions, or users of partitions; and who is away."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fedrec import protocol
from fedrec.records import array_record
from server.replies.outcome import Dropped
from server.sampling.population import chosen_partitions
from server.state import Federation


@dataclass(frozen=True)
class Choice:
    """The clients of a round.

    Attributes:
        partitions: that hold one, ascending.
        users: partition -> (n,) its chosen users, where every user is a client; else empty.
    """

    partitions: list[int]
    users: Mapping[int, np.ndarray] = field(default_factory=dict)

    @property
    def num_clients(self) -> int:
        """Partitions, or users where each is a client."""
        return sum(len(u) for u in self.users.values()) if self.users else len(self.partitions)

    def records(self, partition: int) -> dict[str, Any]:
        """What a train message says beside weights and config."""
        if not self.users:
            return {}
        return {protocol.USERS: array_record({protocol.USERS: self.users[partition]})}


@dataclass(frozen=True)
class Away:
    """Clients of a choice who are known not to answer.

    Attributes:
        partitions: partition -> why.
        users: partition and reason of each user, with its number.
    """

    partitions: Mapping[int, str]
    users: list[Dropped]


def choose(federation: Federation, number: int) -> Choice:
    """Draw the clients of a round from the run's own stream."""
    config = federation.config
    if config.federation.unit == "partition":
        return Choice(
            chosen_partitions(
                federation.census.partitions,
                config.federation.fraction,
                seed=config.seed,
                round=number,
                purpose="select",
            )
        )
    population = federation.population
    users = population.draw(
        config.federation.cohort,
        is_poisson=config.federation.sampling == "poisson",
        seed=config.seed,
        round=number,
    )
    by_partition = population.by_partition(users)
    return Choice(sorted(by_partition), by_partition)


def without_absent(
    federation: Federation, choice: Choice, number: int, attempt: int
) -> tuple[Choice, Away]:
    """The clients that are asked, and those who are away.

    A simulated drop-out is away before the round: it is sent nothing and replies nothing.

    Args:
        federation: knows the absences.
        choice: the clients of the round.
        number: of the round.
        attempt: 0, or 1 when the round is tried again.
    """
    absences = federation.absences
    if not choice.users:
        absent = absences.of_training(number, attempt, choice.partitions)
        return Choice([p for p in choice.partitions if p not in absent]), Away(absent, [])
    absent = absences.on_record(number, attempt, choice.partitions)
    kept: dict[int, np.ndarray] = {}
    away: list[Dropped] = []
    for partition, users in choice.users.items():
        gone = absences.of_users(number, attempt, users.tolist())
        away += [Dropped(partition, why, user=user) for user, why in gone.items()]
        if partition not in absent and len(gone) < len(users):
            kept[partition] = users[[user not in gone for user in users.tolist()]]
    return Choice(list(kept), kept), Away(absent, away)
