"""What runs inside a Ray worker: one actor, one message at a time, the ClientApp by its name.

Nothing here remembers a client: a message means the same to every worker, and again on a second
try. (``context.state`` starts empty each time; what a client keeps, it keeps in its own files.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from flwr.app import ArrayRecord, Message, RecordDict

from fedrec.config.config import Value
from fedrec.config.import_strings import import_string
from server.engines.nodes import client_context


@dataclass(frozen=True)
class Broadcast:
    """Where a push's shared records lie in the object store.

    Attributes:
        ref: an ObjectRef of a list of ArrayRecords. Ray does not look into a dataclass among the
            arguments, so the worker fetches the object itself, and only once.
    """

    ref: Any


@dataclass(frozen=True)
class Task:
    """A message on its way to a worker.

    Attributes:
        message: without the records that other messages of its push hold as well.
        shared: name -> place in the broadcast, for those records.
        broadcast: where they are.
    """

    message: Message
    shared: Mapping[str, int]
    broadcast: Broadcast


class RayWorker:
    """The actor.

    Args:
        app: "package.module:name" of the ClientApp.
        num_partitions: how many clients there are.
        run_config: flat run config.
    """

    def __init__(self, app: str, num_partitions: int, run_config: Mapping[str, Value]) -> None:
        self._app_name = app
        self._num_partitions = num_partitions
        self._run_config = dict(run_config)
        self._broadcast: Broadcast | None = None
        self._records: Sequence[ArrayRecord] = []

    def hello(self) -> None:
        """Say that this worker is up: all that a first message would import is imported."""
        import_string("the ClientApp", self._app_name)

    def answer(self, task: Task) -> Message:
        """The ClientApp's reply to a message."""
        message = task.message
        shared = self._fetch(task.broadcast) if task.shared else []
        message.content = RecordDict(
            dict(message.content) | {name: shared[place] for name, place in task.shared.items()}
        )
        node = message.metadata.dst_node_id
        context = client_context(node, self._num_partitions, self._run_config)
        reply: Message = import_string("the ClientApp", self._app_name)(message, context)
        return reply

    def _fetch(self, broadcast: Broadcast) -> Sequence[ArrayRecord]:
        """The shared records, read from the object store once for all messages of a push."""
        if broadcast != self._broadcast:
            self._broadcast, self._records = broadcast, ray.get(broadcast.ref)
        return self._records
