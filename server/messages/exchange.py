"""The exchange of messages with the clients, over any Flower Grid."""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from flwr.app import Message
from flwr.serverapp import Grid

FIRST_WAIT, LONGEST_WAIT = 0.005, 0.1  # seconds between looks for replies

Watch = Callable[[int, int], None]  # replies so far, messages; may raise to end the wait


def watch_nothing(arrived: int, expected: int) -> None:
    """Do nothing while the server waits."""


def exchange(
    grid: Grid, messages: Sequence[Message], timeout: float, watch: Watch = watch_nothing
) -> list[Message]:
    """Send messages and wait for the replies that come within ``timeout`` seconds, in any order.

    Flower's own ``send_and_receive`` polls every three seconds and trusts the wall clock. A reply
    of a straggler, which comes later, answers a message that is no longer waited for: it is never
    read.

    Args:
        grid: Grid that carries the messages; its start-up does not count against the timeout.
        messages: Messages, one for each node.
        timeout: Seconds to wait, on the monotonic clock.
        watch: Callback, called repeatedly while replies are waited for.
    """
    waiting = set(grid.push_messages(messages))
    expected = len(waiting)
    replies: list[Message] = []
    deadline = time.monotonic() + timeout
    wait = FIRST_WAIT
    while waiting:
        arrived = list(grid.pull_messages(waiting))
        replies += arrived
        waiting -= {reply.metadata.reply_to_message_id for reply in arrived}
        watch(expected - len(waiting), expected)
        if waiting and time.monotonic() >= deadline:
            break
        if waiting:
            wait = FIRST_WAIT if arrived else min(LONGEST_WAIT, 1.5 * wait)
            time.sleep(min(wait, max(0.0, deadline - time.monotonic())))
    return replies


def array_bytes(messages: Iterable[Message]) -> int:
    """Bytes of all arrays in messages or replies: nearly all of their size."""
    return sum(
        record.count_bytes()
        for message in messages
        if message.has_content()
        for record in message.content.array_records.values()
    )


@dataclass(frozen=True, kw_only=True)
class Exchanged:
    """Messages that were sent, and the replies to them.

    Attributes:
        messages: Messages that were sent.
        replies: Replies that came in time.
        sent_to: Partitions that were sent a message.
        responded: Partitions whose reply reports no failure.
    """

    messages: Sequence[Message]
    replies: Sequence[Message]
    sent_to: Collection[int]
    responded: Collection[int]

    @property
    def array_bytes(self) -> tuple[int, int]:
        """Bytes of all arrays in the messages, and in the replies."""
        return array_bytes(self.messages), array_bytes(self.replies)


class SampledNodes(Grid):
    """A grid that shows a strategy the sampled nodes only.

    Flower's strategies sample nodes by a global generator over random node ids; given exactly the
    sampled ones, they take them all and client sampling stays ours.

    Args:
        grid: Grid that carries the messages.
        node_ids: Ids of the sampled nodes.
    """

    def __init__(self, grid: Grid, node_ids: Iterable[int]) -> None:
        self._grid = grid
        self._node_ids = list(node_ids)

    def get_node_ids(self) -> list[int]:
        """Ids of the sampled nodes."""
        return self._node_ids

    def set_run(self, run: object) -> None:
        """Pass on."""
        self._grid.set_run(run)  # type: ignore[arg-type]  # Flower's Run, passed through

    @property
    def run(self) -> object:  # type: ignore[override]  # as above
        """Pass on."""
        return self._grid.run

    def create_message(self, *args: object, **kwargs: object) -> Message:
        """Pass on."""
        return self._grid.create_message(*args, **kwargs)  # type: ignore[arg-type]

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Pass on."""
        return self._grid.push_messages(messages)

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Pass on."""
        return self._grid.pull_messages(message_ids)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Pass on."""
        return self._grid.send_and_receive(messages, timeout=timeout)
