"""Partitions as clients: each trains on all of its users and replies with its weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, Message

from fedrec.evaluation.client_figures import client_figures
from fedrec.evaluation.metrics import UserMetric, hr, ndcg
from fedrec.evaluation.slices import partition_metrics
from fedrec.evaluation.spread import partition_means, partition_spread
from fedrec.models.parameters import NamedArrays
from server.granularity.traffic import Traffic
from server.messages.exchange import Exchanged
from server.messages.registration import Registration
from server.replies.outliers import find_outliers
from server.replies.train import TrainReply, validate_train_reply
from server.sampling.cohort import Cohort, Unavailable
from server.sampling.population import sample_partitions
from server.sampling.unavailable import Unavailability


@dataclass(frozen=True, kw_only=True)
class PartitionClients:
    """Partitions as clients.

    Attributes:
        registration: Registration of the clients.
        unavailability: Clients that are known beforehand not to reply.
        seed: Seed of the run.
        fraction: Share of the partitions that is sampled.
        outlier_limit: ``federation.outlier-limit``.
        steps: Local steps of a round; 0 for whole epochs.
        epochs: Local epochs of a round.
        batch_targets: Most training targets of a batch; none if whole histories are read.
    """

    registration: Registration
    unavailability: Unavailability
    seed: int
    fraction: float
    outlier_limit: float
    steps: int
    epochs: int
    batch_targets: int | None

    @property
    def num_clients(self) -> int:
        """Number of partitions."""
        return len(self.registration.partitions)

    def sample(self, round: int) -> Cohort:
        """Sample a fraction of the partitions."""
        return Cohort(
            sample_partitions(
                self.registration.partitions,
                self.fraction,
                seed=self.seed,
                round=round,
                purpose="select",
            )
        )

    def split_unavailable(
        self, cohort: Cohort, round: int, attempt: int
    ) -> tuple[Cohort, Unavailable]:
        """Split off partitions that drop out or were excluded in a replayed run."""
        reasons = self.unavailability.of_training(round, attempt, cohort.partitions)
        available = [partition for partition in cohort.partitions if partition not in reasons]
        return Cohort(available), Unavailable(reasons, [])

    def train_records(self, cohort: Cohort, partition: int) -> dict[str, ArrayRecord]:
        """No further records."""
        return {}

    def validate(
        self, reply: Message, partition: int, *, round: int, cohort: Cohort, sent: NamedArrays
    ) -> TrainReply:
        """Validate the weights of a partition."""
        declared = self.registration.targets[partition]
        return validate_train_reply(
            reply,
            sent=sent,
            round=round,
            partition=partition,
            declared=declared,
            most_targets=self._most_targets(declared),
        )

    def _most_targets(self, declared: int) -> int:
        """Upper bound of the training targets in a client's epochs or steps."""
        if not self.steps:
            return self.epochs * declared
        most = self.batch_targets
        return self.steps * (declared if most is None else min(declared, most))

    def outliers(self, replies: Mapping[int, TrainReply], sent: NamedArrays) -> dict[int, str]:
        """Find partitions beyond ``federation.outlier-limit`` times the round's median."""
        return find_outliers(replies, sent, self.outlier_limit)

    def training_traffic(
        self,
        cohort: Cohort,
        participants: str,
        exchanged: Exchanged,
        accepted: Mapping[int, TrainReply],
    ) -> Traffic:
        """Bytes of the arrays of all messages and replies."""
        return Traffic(*exchanged.array_bytes)

    def evaluation_traffic(
        self,
        exchanged: Exchanged,
        *,
        users: Mapping[int, int],
        num_protocols: int,
        is_first: bool,
        of_model: bool,
    ) -> int:
        """Bytes of the arrays of all messages and replies."""
        return sum(exchanged.array_bytes)

    def cohort_counts(self, cohort: Cohort, num_aggregated: int) -> dict[str, Any]:
        """No further counts: the line names the partitions."""
        return {}

    @staticmethod
    def round_metrics(ranks: np.ndarray, partitions: np.ndarray) -> dict[str, Any]:
        """Spread of HR@10 and NDCG@10 over partitions, and each partition's mean."""
        values = {"HR@10": hr(ranks, 10), "NDCG@10": ndcg(ranks, 10)}
        return {
            "clients": partition_spread(ranks, partitions),
            "client_values": {
                name: partition_means(each, partitions)[1].tolist() for name, each in values.items()
            },
        }

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
        """Metrics of each partition with intervals, and figures over them."""
        found = partition_metrics(
            partitions,
            ranks,
            num_candidates,
            seed=seed,
            at=at,
            resamples=resamples,
            user_metrics=user_metrics,
        )
        return {
            "clients": found,
            "client_ranks": None,
            "client_figures": client_figures(ranks, partitions),
        }
