"""Users as clients: the sampled users of a partition train side by side, their sum is sent."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, Message

from fedrec import protocol
from fedrec.evaluation.metrics import UserMetric
from fedrec.evaluation.spread import rank_spread
from fedrec.models.parameters import NamedArrays
from fedrec.records import array_record
from fedrec.training.cohort.loss import CohortLoss
from fedrec.training.cohort.plan import CohortPlan
from server.messages.exchange import array_bytes
from server.messages.registration import Registration
from server.replies.outcome import Excluded
from server.replies.train import TrainReply
from server.replies.train_users import validate_users_reply
from server.sampling.cohort import Cohort, Unavailable
from server.sampling.population import Population
from server.sampling.unavailable import Unavailability
from server.traffic import Traffic, UserTraffic, count_users, most_rows


@dataclass(frozen=True, kw_only=True)
class UserClients:
    """Users as clients.

    Attributes:
        registration: What each partition holds.
        unavailability: Who is known beforehand not to answer.
        population: The users that can be sampled.
        traffic: Bytes that one of them moves.
        plan: What each user does in a round.
        loss: The loss of a cohort, which says how many item rows training reads.
        seed: Seed of the run.
        cohort_size: Users of a round, or their mean under Poisson sampling.
        is_poisson: Whether every user is sampled independently.
        num_items: V.
        is_sparse: Whether item rows are averaged over the users who read them.
        names_items: Whether replies say which items are held out (``federation.share-counts``).
    """

    registration: Registration
    unavailability: Unavailability
    population: Population
    traffic: UserTraffic
    plan: CohortPlan
    loss: CohortLoss
    seed: int
    cohort_size: int
    is_poisson: bool
    num_items: int
    is_sparse: bool
    names_items: bool

    @property
    def num_clients(self) -> int:
        """Users with something to train on."""
        return len(self.population.users)

    def sample(self, round: int) -> Cohort:
        """Sample users, and group them by the partition that holds them."""
        users = self.population.sample(
            self.cohort_size, is_poisson=self.is_poisson, seed=self.seed, round=round
        )
        by_partition = self.population.by_partition(users)
        return Cohort(sorted(by_partition), by_partition)

    def split_unavailable(
        self, cohort: Cohort, round: int, attempt: int
    ) -> tuple[Cohort, Unavailable]:
        """Split off users that drop out, and partitions unavailable in a replayed run."""
        absent = self.unavailability.on_record(round, attempt, cohort.partitions)
        kept: dict[int, np.ndarray] = {}
        dropouts: list[Excluded] = []
        for partition, users in cohort.users.items():
            gone = self.unavailability.of_users(round, attempt, users.tolist())
            dropouts += [Excluded(partition, why, user=user) for user, why in gone.items()]
            if partition not in absent and len(gone) < len(users):
                kept[partition] = users[[user not in gone for user in users.tolist()]]
        return Cohort(list(kept), kept), Unavailable(absent, dropouts)

    def train_records(self, cohort: Cohort, partition: int) -> dict[str, ArrayRecord]:
        """The sampled users of the partition."""
        return {protocol.USERS: array_record({protocol.USERS: cohort.users[partition]})}

    def validate(
        self, reply: Message, partition: int, *, round: int, cohort: Cohort, sent: NamedArrays
    ) -> TrainReply:
        """Validate the sum of the users' updates."""
        return validate_users_reply(
            reply,
            sent=sent,
            round=round,
            partition=partition,
            asked=cohort.users[partition],
            targets_of=self.population.targets_of,
            num_items=self.num_items,
            plan=self.plan,
            rows=self.traffic.rows,
            by_row=self.is_sparse,
        )

    def outliers(self, replies: Mapping[int, TrainReply], sent: NamedArrays) -> dict[int, str]:
        """None: users are held against their bounds one by one, where they train."""
        return {}

    def training_traffic(
        self,
        cohort: Cohort,
        seen: str,
        *,
        messages: Sequence[Message],
        replies: Sequence[Message],
        replied: Collection[int],
        read: Mapping[int, TrainReply],
    ) -> Traffic:
        """Bytes that the devices of the users would move in a deployment."""
        return count_users(
            self.traffic,
            self.population,
            seen,
            asked=cohort.users,
            replied=replied,
            read=read,
            most=lambda targets: most_rows(self.plan, self.loss, targets),
        )

    def evaluation_traffic(
        self,
        *,
        messages: Sequence[Message],
        replies: Sequence[Message],
        asked: Collection[int],
        replied: Collection[int],
        num_protocols: int,
        is_first: bool,
        of_model: bool,
    ) -> int:
        """Bytes of the model to every user and of the ranks back; for a baseline, of the arrays."""
        if not of_model:
            return array_bytes(messages) + array_bytes(replies)
        users = self.registration.users
        return self.traffic.evaluation(
            sum(len(users[p]) for p in asked),
            sum(len(users[p]) for p in replied),
            ranks=num_protocols,
            is_first=is_first,
            names_items=self.names_items,
        )

    def cohort_counts(self, cohort: Cohort, num_aggregated: int) -> dict[str, Any]:
        """How many users were sampled and aggregated."""
        return {"users": {"sampled": cohort.num_clients, "aggregated": num_aggregated}}

    @staticmethod
    def round_metrics(ranks: np.ndarray, partitions: np.ndarray) -> dict[str, Any]:
        """Percentiles of ranks: of one user, HR is 0 or 1 and its percentiles say nothing."""
        return {"clients": rank_spread(ranks), "client_values": None}

    @staticmethod
    def final_metrics(
        ranks: np.ndarray,
        partitions: np.ndarray,
        num_candidates: np.ndarray | int,
        *,
        seed: int,
        at: Sequence[int],
        resamples: int,
        user_metrics: Mapping[str, UserMetric],
    ) -> dict[str, Any]:
        """Percentiles of ranks over users."""
        return {"clients": [], "client_ranks": rank_spread(ranks)}
