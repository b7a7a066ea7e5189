"""Users as clients: the sampled users of a partition train side by side, their sum is sent."""

from collections.abc import Mapping, Sequence
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
from server.granularity.traffic import Traffic, UserTraffic, count_users, max_rows
from server.messages.exchange import Exchanged
from server.messages.registration import Registration
from server.replies.train import TrainReply
from server.replies.train_users import validate_users_reply
from server.sampling.cohort import Cohort, Unavailable
from server.sampling.excluded import Excluded
from server.sampling.population import Population
from server.sampling.unavailable import Unavailability


@dataclass(frozen=True, kw_only=True)
class UserClients:
    """Users as clients.

    Attributes:
        registration: Registration of the clients.
        unavailability: Clients that are known beforehand not to reply.
        population: Users that can be sampled.
        traffic: Bytes that one user moves.
        plan: Local training of each user in a round.
        loss: Loss of a cohort, which determines how many item rows training reads.
        seed: Seed of the run.
        cohort_size: Number of users in a cohort; its mean under Poisson sampling, the most if
            users are shuffled.
        sampling: How users are sampled, as ``federation.sampling``.
        num_items: V.
        is_sparse: Whether item rows are averaged over the users who read them.
        names_items: Whether replies name the held-out items, as ``Federation.shares_counts``.
    """

    registration: Registration
    unavailability: Unavailability
    population: Population
    traffic: UserTraffic
    plan: CohortPlan
    loss: CohortLoss
    seed: int
    cohort_size: int
    sampling: str
    num_items: int
    is_sparse: bool
    names_items: bool

    @property
    def num_clients(self) -> int:
        """Number of users with something to train on."""
        return len(self.population.users)

    def sample(self, round: int) -> Cohort:
        """Sample users, and group them by the partition that holds them."""
        users = self.population.sample(
            self.cohort_size, sampling=self.sampling, seed=self.seed, round=round
        )
        by_partition = self.population.by_partition(users)
        return Cohort(sorted(by_partition), by_partition)

    def split_unavailable(
        self, cohort: Cohort, round: int, attempt: int
    ) -> tuple[Cohort, Unavailable]:
        """Split off users that drop out, and partitions that were excluded in a replayed run."""
        reasons = self.unavailability.recorded_in_training(round, attempt, cohort.partitions)
        available: dict[int, np.ndarray] = {}
        dropouts: list[Excluded] = []
        for partition, users in cohort.users.items():
            dropped = self.unavailability.of_users(round, attempt, users.tolist())
            dropouts += [Excluded(partition, why, user=user) for user, why in dropped.items()]
            if partition not in reasons and len(dropped) < len(users):
                available[partition] = users[[user not in dropped for user in users.tolist()]]
        return Cohort(list(available), available), Unavailable(reasons, dropouts)

    def train_records(self, cohort: Cohort, partition: int) -> dict[str, ArrayRecord]:
        """Name the sampled users of the partition."""
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
            sampled=cohort.users[partition],
            targets_of=self.population.targets_of,
            num_items=self.num_items,
            plan=self.plan,
            item_rows=self.traffic.item_rows,
            is_sparse=self.is_sparse,
        )

    def outliers(self, replies: Mapping[int, TrainReply], sent: NamedArrays) -> dict[int, str]:
        """Find none: each user is checked against its bounds where it trains."""
        return {}

    def training_traffic(
        self,
        cohort: Cohort,
        participants: str,
        exchanged: Exchanged,
        accepted: Mapping[int, TrainReply],
    ) -> Traffic:
        """Bytes that the devices of the users would move in a deployment."""
        return count_users(
            self.traffic,
            self.population,
            participants,
            sent_to=cohort.users,
            responded=exchanged.responded,
            accepted=accepted,
            max_rows=lambda targets: max_rows(self.plan, self.loss, targets),
        )

    def evaluation_traffic(
        self,
        exchanged: Exchanged,
        *,
        users: Mapping[int, int],
        num_protocols: int,
        is_first: bool,
        of_model: bool,
    ) -> int:
        """Bytes of the model to every user and of the ranks back; of a baseline, of the arrays."""
        if not of_model:
            return sum(exchanged.array_bytes)
        return self.traffic.evaluation_bytes(
            sum(users[p] for p in exchanged.sent_to),
            sum(users[p] for p in exchanged.responded),
            num_ranks=num_protocols,
            is_first=is_first,
            names_items=self.names_items,
        )

    def cohort_counts(self, cohort: Cohort, num_aggregated: int) -> dict[str, Any]:
        """Numbers of sampled and of aggregated users."""
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
        return {"clients": [], "client_ranks": rank_spread(ranks), "client_figures": None}
