"""What a round asks of the granularity of clients, whichever it is."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from flwr.app import ArrayRecord, Message

from fedrec.models.parameters import NamedArrays
from server.evaluation.metrics import ClientMetrics
from server.replies.train import TrainReply
from server.sampling.cohort import Cohort, Unavailable
from server.traffic import Traffic


class ClientGranularity(ClientMetrics, Protocol):
    """Who is a client: a whole partition (``PartitionClients``) or a user (``UserClients``)."""

    @property
    def num_clients(self) -> int:
        """Clients in the population."""
        ...

    def sample(self, round: int) -> Cohort:
        """Sample the clients of a round from the run's own stream."""
        ...

    def split_unavailable(
        self, cohort: Cohort, round: int, attempt: int
    ) -> tuple[Cohort, Unavailable]:
        """Split a cohort into the clients that are sent a message and those known not to answer.

        A simulated dropout happens before the round: it is sent nothing and replies nothing.

        Args:
            cohort: Clients of the round.
            round: Number of the round.
            attempt: 0, or 1 when the round is tried again.
        """
        ...

    def train_records(self, cohort: Cohort, partition: int) -> dict[str, ArrayRecord]:
        """Records of a train message beside weights, item frequencies and config."""
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
            RejectedReply: It belongs to another round or holds something that cannot be.
        """
        ...

    def outliers(self, replies: Mapping[int, TrainReply], sent: NamedArrays) -> dict[int, str]:
        """Partitions whose reply is out of all proportion to the others, with the reason."""
        ...

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
        """Bytes of one attempt of a round.

        Args:
            cohort: Clients that were sent a message.
            seen: Users who took part before, as ``Traffic.seen``.
            messages: Train messages that were sent.
            replies: Replies that came.
            replied: Partitions whose reply reports no failure.
            read: Partition -> its reply, where that passed validation.
        """
        ...

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
        """Bytes of an evaluation, both ways.

        Args:
            messages: Evaluate messages that were sent.
            replies: Replies that came.
            asked: Partitions that were sent a message.
            replied: Partitions among them whose reply reports no failure.
            num_protocols: Ranks of each user.
            is_first: Whether the frozen embedding table travels with it.
            of_model: Whether a model is evaluated, and no baseline.
        """
        ...

    def cohort_counts(self, cohort: Cohort, num_aggregated: int) -> dict[str, Any]:
        """Fields of the round's line in rounds.jsonl that count clients within partitions."""
        ...
