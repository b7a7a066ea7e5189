"""Shared parts of our engines: a base of grids, numbers of nodes, contexts of clients.

Two uses of Flower are not public: the identity of the running task, which ``Message`` reads, and a
message's id, which Flower's own grids set as well. A test fails when they change.
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


class SimulatedGrid(Grid):
    """Base of a grid without a service: the methods of Flower's interface that our rounds skip."""

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Push messages and pull replies until all have come or ``timeout`` seconds are over."""
        return exchange(self, list(messages), math.inf if timeout is None else timeout)

    def create_message(  # type: ignore[override]  # Flower deprecates it, nothing calls it
        self, content: RecordDict, message_type: str, dst_node_id: int, **_: object
    ) -> Message:
        """Make a message by Flower's constructor."""
        return Message(content, dst_node_id, message_type)

    def set_run(self, run: object) -> None:
        """Do nothing: there is one run."""

    @property
    def run(self) -> object:  # type: ignore[override]  # nothing reads it
        """None: there is no run record."""
        return None


def act_as_server() -> None:
    """Make the server the sender of all messages that are made in this process."""
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, SERVER_NODE, 1


def node_ids(num_partitions: int) -> list[int]:
    """Ids of the nodes, one for each partition, in order."""
    return [FIRST_NODE + number for number in range(num_partitions)]


def client_context(
    node: int, num_partitions: int, run_config: Mapping[str, Value], threads: int = 1
) -> Context:
    """Make the context of a client: partition, number of partitions, run config.

    Args:
        node: Id of the client's node, as in ``node_ids``.
        num_partitions: Number of partitions.
        run_config: Flat run config.
        threads: Threads of torch in the client; more than 1 give other bytes.
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


def set_message_id(message: Message, message_id: str) -> None:
    """Set the id of a message, which its reply will name."""
    message.metadata.__dict__["_message_id"] = message_id
