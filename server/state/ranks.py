"""Ranks that an evaluation over clients collects."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fedrec.evaluation.protocols import candidates_of, refuse_unranked
from server.sampling.excluded import Excluded


@dataclass(frozen=True, kw_only=True)
class RankTable:
    """Ranks of U users over some partitions, in order of users.

    Attributes:
        users: (U,) Global user numbers.
        partitions: (U,) Partition that holds each user.
        targets: (U,) Held-out items, 0 where one stays with its client; none where all do.
        events: (U,) Length of each whole sequence.
        ranks: Protocol -> (U,) ranks; NaN where a user has too few items for sampled candidates.
        personal: (U,) Ranks by the personalised models, or none.
        candidates: (U,) Number of items ranked under "full".
        gates: (3, 32, 1 + N) Sums of the views' gate weights, or none if they were not sent.
        jaccard: (U, 2) Genres in common with the held-out item under the main protocol, of the
            first item and of a random one; NaN where it has no genre. None if not asked for.
        positions: (U, 2, 6) Sums over every position of a user, or none if not asked for.
    """

    users: np.ndarray
    partitions: np.ndarray
    targets: np.ndarray | None
    events: np.ndarray
    ranks: Mapping[str, np.ndarray]
    personal: np.ndarray | None
    candidates: np.ndarray
    gates: np.ndarray | None
    jaccard: np.ndarray | None = None
    positions: np.ndarray | None = None

    def under(self, protocol_name: str) -> "RankTable":
        """The users who have a rank under a protocol; candidates cannot be sampled for all.

        Raises:
            ConfigError: there is none.
        """
        is_ranked = ~np.isnan(self.ranks[protocol_name])
        refuse_unranked(protocol_name, int(is_ranked.sum()))
        if is_ranked.all():
            return self
        return RankTable(
            users=self.users[is_ranked],
            partitions=self.partitions[is_ranked],
            targets=None if self.targets is None else self.targets[is_ranked],
            events=self.events[is_ranked],
            ranks={name: each[is_ranked] for name, each in self.ranks.items()},
            personal=None if self.personal is None else self.personal[is_ranked],
            candidates=self.candidates[is_ranked],
            gates=self.gates,
            jaccard=None if self.jaccard is None else self.jaccard[is_ranked],
            positions=None if self.positions is None else self.positions[is_ranked],
        )

    def num_candidates(self, protocol_name: str) -> np.ndarray | int:
        """Number of items ranked per user under a protocol: (U,), or one number for all."""
        return candidates_of(protocol_name, self.candidates)


@dataclass(frozen=True, kw_only=True)
class EvaluationOutcome:
    """Outcome of an evaluation.

    Attributes:
        ranks: Ranks of all evaluated users.
        bytes: Bytes of all messages, both ways; where every user is a client, as a deployment
            would send them: the model to each user of the partitions that are sent it, its ranks
            back. Sums of gate weights, which are sent once, at the end, are not counted.
        excluded: Clients whose ranks are missing, with the reason.
    """

    ranks: RankTable
    bytes: int
    excluded: list[Excluded]
