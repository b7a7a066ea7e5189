"""One attempt of a round: send the train messages, collect and validate the replies."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flwr.app import Message

from fedrec.models.parameters import NamedArrays
from server.granularity.traffic import Traffic
from server.messages.exchange import Exchanged, exchange
from server.messages.failures import raise_dead_worker, responded_partitions
from server.replies.outcome import sort_replies
from server.replies.train import TrainReply
from server.sampling.cohort import Cohort, Unavailable
from server.sampling.excluded import Excluded
from server.state.context import ServerContext


@dataclass(frozen=True, kw_only=True)
class Collected:
    """Replies of one attempt.

    Attributes:
        accepted: Partition -> its validated reply, ascending.
        excluded: Clients whose reply was rejected or did not come in time (stragglers).
        traffic: Bytes of the attempt.
        validation_seconds: Seconds that validation took.
    """

    accepted: Mapping[int, TrainReply]
    excluded: list[Excluded]
    traffic: Traffic
    validation_seconds: float

    @property
    def num_clients(self) -> int:
        """Number of clients whose update is in an accepted reply."""
        return sum(one.clients for one in self.accepted.values())


def collect_replies(
    context: ServerContext,
    round: int,
    messages: Sequence[Message],
    *,
    cohort: Cohort,
    unavailable: Unavailable,
    sent: NamedArrays,
    participants: str,
) -> Collected:
    """Send the messages, wait for the replies and validate them.

    Args:
        context: Context of the run, the same over all rounds.
        round: Number of the round.
        messages: Train messages to send.
        cohort: Clients that are sent a message.
        unavailable: Sampled clients that are sent none.
        sent: Weights in the messages, float32.
        participants: Users who took part before, as ``Traffic.participants``.
    """
    clients, registration = context.clients, context.registration
    timeout = context.config.federation.round_timeout
    replies = exchange(context.grid, messages, timeout, context.watch)
    raise_dead_worker(replies)
    start = time.monotonic()

    def validate(reply: Message, partition: int) -> TrainReply:
        return clients.validate(reply, partition, round=round, cohort=cohort, sent=sent)

    found = sort_replies(
        replies,
        registration.partition_of,
        [*cohort.partitions, *unavailable.partitions],
        validate,
        unavailable.partitions,
    )
    traffic = clients.training_traffic(
        cohort,
        participants,
        Exchanged(
            messages=messages,
            replies=replies,
            sent_to=cohort.partitions,
            responded=responded_partitions(replies, registration.partition_of),
        ),
        found.accepted,
    )
    found = found.without(clients.outliers(found.accepted, sent)).and_excluded(
        [*unavailable.users, *(user for one in found.accepted.values() for user in one.excluded)]
    )
    return Collected(
        accepted=found.accepted,
        excluded=found.excluded,
        traffic=traffic,
        validation_seconds=time.monotonic() - start,
    )
