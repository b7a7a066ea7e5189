"""The protocol of client granularity: what a round needs to know of its clients."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from flwr.app import ArrayRecord, Message

from fedrec.evaluation.metrics import UserMetric
from fedrec.models.parameters import NamedArrays
from server.granularity.traffic import Traffic
from server.messages.exchange import Exchanged
from server.replies.train import TrainReply
from server.sampling.cohort import Cohort, Unavailable


class ClientMetrics(Protocol):
    """Spread of metrics over clients: the part of ``ClientGranularity`` that ranks need."""

    @staticmethod
    def round_metrics(ranks: np.ndarray, partitions: np.ndarray) -> dict[str, Any]:
        """Spread of a validation over clients."""
        ...

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
        """Spread of the final test over clients."""
        ...


class ClientGranularity(ClientMetrics, Protocol):
    """Granularity of clients: partitions (``PartitionClients``) or users (``UserClients``)."""

    @property
    def num_clients(self) -> int:
        """Number of clients in the population."""
        ...

    def sample(self, round: int) -> Cohort:
        """Sample the clients of a round from the run's own stream."""
        ...

    def split_unavailable(
        self, cohort: Cohort, round: int, attempt: int
    ) -> tuple[Cohort, Unavailable]:
        """Split a cohort into the clients that are sent a message and the unavailable ones.

        A simulated dropout happens before the round: it is sent nothing and replies nothing.

        Args:
            cohort: Sampled clients of the round.
            round: Number of the round.
            attempt: 0, or 1 when the round is tried again.
        """
        ...

    def train_records(self, cohort: Cohort, partition: int) -> dict[str, ArrayRecord]:
        """Further records of a train message, beside weights, item frequencies and config."""
        ...

    def validate(
        self, reply: Message, partition: int, *, round: int, cohort: Cohort, sent: NamedArrays
    ) -> TrainReply:
        """Validate a train reply and read it.

        Args:
            reply: Message of a client that reports success.
            partition: Partition of the node that sent it.
            round: Number of the round.
            cohort: Clients that were sent a message.
            sent: Weights that they were sent, float32.

        Raises:
            RejectedReply: It belongs to another round (staleness) or holds impossible values.
        """
        ...

    def outliers(self, replies: Mapping[int, TrainReply], sent: NamedArrays) -> dict[int, str]:
        """Find outliers among the partitions that replied, with the reason."""
        ...

    def training_traffic(
        self,
        cohort: Cohort,
        participants: str,
        exchanged: Exchanged,
        accepted: Mapping[int, TrainReply],
    ) -> Traffic:
        """Count the bytes of one attempt of a round.

        Args:
            cohort: Clients that were sent a message.
            participants: Users who took part before, as ``Traffic.participants``.
            exchanged: Train messages and the replies to them.
            accepted: Partition -> its reply, where that passed validation.
        """
        ...

    def evaluation_traffic(
        self,
        exchanged: Exchanged,
        *,
        users: Mapping[int, int],
        num_protocols: int,
        is_first: bool,
        of_model: bool,
    ) -> int:
        """Count the bytes of an evaluation, both ways.

        Args:
            exchanged: Evaluate messages and the replies to them.
            users: Partition -> number of its users who are evaluated.
            num_protocols: Number of evaluation protocols: so many ranks has each user.
            is_first: Whether the frozen embedding table travels with it.
            of_model: Whether a model is evaluated, not a baseline.
        """
        ...

    def cohort_counts(self, cohort: Cohort, num_aggregated: int) -> dict[str, Any]:
        """Counts of clients within partitions, as fields of the round's line of rounds.jsonl."""
        ...
