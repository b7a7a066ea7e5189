"""What engines of our own share: a grid's small change, numbers of nodes, contexts of clients.

Two touches of Flower are not public: the identity of the running task, which ``Message`` reads,
and a message's id, which Flower's own grids set as well. A test says so when they move.
"""

import math
from collections.abc import Iterable, Mapping

from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from fedrec.config.config import Value
from server.messages.exchange import exchange

SERVER_NODE = 1  # as in Flower
FIRST_NODE = 1000


class OwnGrid(Grid):
    """What Flower's interface asks for besides pushing and pulling; our rounds call none of it."""

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Push, and pull until all have come or ``timeout`` seconds are over."""
        return exchange(self, list(messages), math.inf if timeout is None else timeout)

    def create_message(  # type: ignore[override]  # Flower deprecates it, nothing calls it
        self, content: RecordDict, message_type: str, dst_node_id: int, **_: object
    ) -> Message:
        """A message as Flower's constructor makes it."""
        return Message(content, dst_node_id, message_type)

    def set_run(self, run: object) -> None:
        """There is one run."""

    @property
    def run(self) -> object:  # type: ignore[override]  # nothing reads it
        """There is no run record."""
        return None


def be_the_server() -> None:
    """Let messages that are made in this process come from the server."""
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, SERVER_NODE, 1


def node_ids(num_partitions: int) -> list[int]:
    """One node for each partition, in order."""
    return [FIRST_NODE + number for number in range(num_partitions)]


def client_context(
    node: int, num_partitions: int, run_config: Mapping[str, Value], threads: int = 1
) -> Context:
    """What a client is told besides its messages.

    Args:
        node: its id, as in ``node_ids``.
        num_partitions: how many clients there are.
        run_config: flat run config.
        threads: that its torch may use; more than 1 gives other bytes.
    """
    return Context(
        run_id=1,
        node_id=node,
        node_config={
            "partition-id": node - FIRST_NODE,
            "num-partitions": num_partitions,
            "threads": threads,
        },
        state=RecordDict(),
        run_config=dict(run_config),
    )


def set_identity(message: Message, identity: str) -> None:
    """Give a message the id that its reply will name."""
    message.metadata.__dict__["_message_id"] = identity
