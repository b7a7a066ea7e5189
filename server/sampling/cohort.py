"""The cohort of a round: the sampled clients, and those of them that are unavailable."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from server.sampling.excluded import Excluded


@dataclass(frozen=True)
class Cohort:
    """The sampled clients of a round.

    Attributes:
        partitions: Partitions that hold a sampled client, ascending.
        users: Partition -> (n,) its sampled users, where every user is a client; else empty.
    """

    partitions: list[int]
    users: Mapping[int, np.ndarray] = field(default_factory=dict)

    @property
    def num_clients(self) -> int:
        """Partitions, or users where each is a client."""
        return sum(len(u) for u in self.users.values()) if self.users else len(self.partitions)


@dataclass(frozen=True)
class Unavailable:
    """Sampled clients that are known beforehand not to reply.

    Attributes:
        partitions: Partition -> reason.
        users: Users that drop out with their reason, where every user is a client.
    """

    partitions: Mapping[int, str]
    users: list[Excluded]
