"""The actor of a Ray worker: it runs the ClientApp on one message at a time.

A worker holds no client state: a message means the same to every worker, and in a second attempt.
(``context.state`` starts empty each time; private client state is in the client's files.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from flwr.app import ArrayRecord, Message, RecordDict

from fedrec.config.config import Value
from fedrec.config.values.import_strings import import_string
from server.engines.nodes import client_context


@dataclass(frozen=True)
class Broadcast:
    """Reference to the shared records of a push in Ray's object store.

    Attributes:
        ref: ObjectRef of a list of ArrayRecords. Ray does not look into a dataclass among the
            arguments, so the worker fetches the object itself, and only once.
    """

    ref: Any


@dataclass(frozen=True, kw_only=True)
class ClientTask:
    """A message on its way to a worker.

    Attributes:
        message: Message without the records that other messages of its push share.
        shared: Name -> index in the broadcast, of the shared records.
        broadcast: Shared records of the push.
    """

    message: Message
    shared: Mapping[str, int]
    broadcast: Broadcast


class RayWorker:
    """Actor that runs client tasks.

    Args:
        app: "package.module:name" of the ClientApp.
        num_partitions: Number of partitions.
        run_config: Flat run config.
    """

    def __init__(self, app: str, num_partitions: int, run_config: Mapping[str, Value]) -> None:
        self._app_name = app
        self._num_partitions = num_partitions
        self._run_config = dict(run_config)
        self._broadcast: Broadcast | None = None
        self._records: Sequence[ArrayRecord] = []

    def start(self) -> None:
        """Import all that a first message would import; returns when the worker is ready."""
        import_string("the ClientApp", self._app_name)

    def run(self, task: ClientTask) -> Message:
        """Run the ClientApp on a message; return its reply."""
        message = task.message
        shared = self._fetch(task.broadcast) if task.shared else []
        message.content = RecordDict(
            dict(message.content) | {name: shared[index] for name, index in task.shared.items()}
        )
        node = message.metadata.dst_node_id
        context = client_context(node, self._num_partitions, self._run_config)
        reply: Message = import_string("the ClientApp", self._app_name)(message, context)
        return reply

    def _fetch(self, broadcast: Broadcast) -> Sequence[ArrayRecord]:
        """Fetch the shared records from the object store, once for all messages of a push."""
        if broadcast != self._broadcast:
            self._broadcast, self._records = broadcast, ray.get(broadcast.ref)
        return self._records
