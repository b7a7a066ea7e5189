"""The Ray engine, a Grid over Ray actors: one broadcast a push, dead workers are replaced.

A client task is a pure function of the message, so one that died with its worker is run again by
another worker, and the run's bytes do not change.
"""

import contextlib
import copy
import itertools
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import ray
from flwr.app import ArrayRecord, Error, Message, RecordDict
from flwr.common.constant import ErrorCode
from ray.exceptions import RayError

from fedrec.config.config import Value
from fedrec.errors import ResourceError
from server.engines.nodes import SimulatedGrid, act_as_server, node_ids, set_message_id
from server.engines.ray_pool import POLL_EVERY, Job, RayPool, in_one_line
from server.engines.ray_wait import VARIABLE, wait_seconds
from server.engines.ray_worker import Broadcast, ClientTask, RayWorker

ATTEMPTS = 4  # workers that may die of one message
DISPATCH_EVERY = 0.02  # seconds that a free worker waits at most while nobody pulls

log = logging.getLogger(__name__)


class RayGrid(SimulatedGrid):
    """Grid whose clients are tasks of Ray actors; Ray is running already.

    Args:
        client_app: "package.module:name" of the ClientApp, imported in the workers.
        num_partitions: Number of partitions.
        run_config: Flat run config for each client's context.
        workers: Number of actors, each on a CPU of its own.
    """

    def __init__(
        self, client_app: str, num_partitions: int, run_config: Mapping[str, Value], workers: int
    ) -> None:
        act_as_server()
        self._nodes = node_ids(num_partitions)
        actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(RayWorker).options(
            scheduling_strategy="SPREAD"
        )
        self._pool = RayPool(
            lambda: actor.remote(client_app, num_partitions, dict(run_config)), workers
        )
        self._numbers = itertools.count(1)
        self._waiting: dict[Job, Message] = {}
        self._replies: dict[str, Message] = {}
        self._retries = RetryLimits()
        self._failure: Exception | None = None
        self._lock = threading.RLock()
        self._closed = threading.Event()
        # Without it a free worker would wait until the next pull for its next task.
        self._dispatcher = threading.Thread(target=self._dispatch, name="ray-grid", daemon=True)
        self._dispatcher.start()

    def get_node_ids(self) -> list[int]:
        """Ids of all nodes."""
        return list(self._nodes)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Assign messages to the workers, once enough workers are up.

        Tasks of an earlier push, of stragglers, are cancelled: their workers are replaced.

        Raises:
            ResourceError: No worker starts.
        """
        pushed = list(messages)
        with self._lock:
            self._pool.cancel_jobs()
            self._waiting.clear()
            self._replies.clear()
            self._pool.check_idle()
        self._wait_for_workers(min(len(pushed), self._pool.size))
        ids = [f"ray-{next(self._numbers)}" for _ in pushed]
        for message, message_id in zip(pushed, ids, strict=True):
            set_message_id(message, message_id)
        with in_one_line():
            tasks = as_tasks(pushed)
        with self._lock:
            for message, task in zip(pushed, tasks, strict=True):
                attempts = self._retries.attempts(_kind(message))
                job = Job(task, attempts)
                if attempts:
                    self._waiting[job] = message
                else:
                    self._fail(message, "not sent: its workers crashed in earlier rounds")
            self._pool.submit(list(self._waiting))
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Replies that have come to some messages, each once; does not wait.

        Raises:
            ResourceError: Workers cannot start any more.
        """
        with self._lock:
            self._settle()
            if self._failure is not None:
                raise self._failure
            known = [message_id for message_id in message_ids if message_id in self._replies]
            return [self._replies.pop(message_id) for message_id in known]

    def close(self) -> None:
        """End the workers, not Ray."""
        self._closed.set()
        self._dispatcher.join()
        with contextlib.suppress(Exception):  # Ray may be gone before us
            self._pool.close()

    def _dispatch(self) -> None:
        """Assign waiting tasks to workers as soon as they are free."""
        while not self._closed.is_set():
            with self._lock:
                self._settle()
                pending = self._pool.pending() if self._waiting and not self._failure else []
            if not pending:
                self._closed.wait(DISPATCH_EVERY)
                continue
            # Outside the lock: pulls go on. Ends early when any of them is ready.
            with contextlib.suppress(
                RayError
            ):  # of a worker: the next call of ``settle`` handles it
                ray.wait(pending, num_returns=1, timeout=DISPATCH_EVERY, fetch_local=False)

    def _settle(self) -> None:
        """Make replies of the jobs that ended; the caller holds the lock."""
        try:
            for job in self._pool.settle():
                message = self._waiting.pop(job)
                self._retries.record(_kind(message), died=job.deaths >= job.attempts)
                if job.error is None and isinstance(job.value, Message):
                    self._replies[message.metadata.message_id] = job.value
                else:
                    what = f"its app returned a {type(job.value).__name__}, not a Message"
                    self._fail(message, job.error or what)
        except Exception as error:  # raised where the server can catch it: in the next pull
            self._failure = error

    def _fail(self, message: Message, reason: str) -> None:
        """Reply with an error instead of a client that could not reply."""
        error = Error(ErrorCode.CLIENT_APP_CRASHED, reason)
        self._replies[message.metadata.message_id] = Message(error, reply_to=message)

    def _wait_for_workers(self, needed: int) -> None:
        """Wait until ``needed`` actors are up, or all that can still start."""
        start, most = time.monotonic(), wait_seconds()
        next_log = start
        while True:
            with self._lock:
                self._settle()
                if self._failure is not None:
                    raise self._failure
                idle, starting = self._pool.num_idle(), self._pool.num_starting()
            if idle >= needed or (idle and not starting):
                return
            if not starting:
                raise ResourceError(
                    f"none of {self._pool.size} Ray workers came up within {most} s; "
                    f"`ray status` shows whether the cluster has free CPUs, and {VARIABLE} is how "
                    "long they may take"
                )
            if time.monotonic() > next_log + 10:
                next_log = time.monotonic()
                waited = next_log - start
                told = "waiting for Ray's workers: %d of %d are up after %.0f s of %d s (%s)"
                log.warning(told, idle, needed, waited, most, VARIABLE)
                _check_nodes()
            time.sleep(POLL_EVERY)


@in_one_line()
def _check_nodes() -> None:
    """Refuse to wait for workers that no node is left to start.

    Raises:
        ResourceError: Every node of Ray's is dead.
    """
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    if not any(node["Alive"] for node in nodes):
        raise ResourceError(
            "Ray's own process (raylet) was killed while its workers started, so that none comes up"
        )


class RetryLimits:
    """Limits of retries: fewer workers for a client whose messages have killed all their workers.

    Such a client is tried once, at the first, second, fourth, eighth... message of that type since,
    until it replies: a worker's start costs more than a short round.
    """

    def __init__(self) -> None:
        self._failures: dict[tuple[int, str], int] = {}  # number of failed tries
        self._wait: dict[tuple[int, str], int] = {}  # messages until it is tried again

    def attempts(self, kind: tuple[int, str]) -> int:
        """Number of workers that the next message of a node and type may cost; 0 is not to try."""
        if kind not in self._failures:
            return ATTEMPTS
        self._wait[kind] -= 1
        return 0 if self._wait[kind] > 0 else 1

    def record(self, kind: tuple[int, str], *, died: bool) -> None:
        """Record the end of a message."""
        if died:
            failures = self._failures[kind] = self._failures.get(kind, 0) + 1
            self._wait[kind] = max(1, 2**failures // 4)
        else:
            self._failures.pop(kind, None)
            self._wait.pop(kind, None)


def as_tasks(messages: Sequence[Message], put: Callable[[Any], Any] = ray.put) -> list[ClientTask]:
    """Make tasks of messages; array records that they share are put into the object store once."""
    uses = Counter(
        id(record) for message in messages for record in message.content.array_records.values()
    )
    shared: list[ArrayRecord] = []
    indices: dict[int, int] = {}
    tasks = []
    for message in messages:
        own, shared_indices = RecordDict(), {}
        for name, record in message.content.items():
            if not isinstance(record, ArrayRecord) or uses[id(record)] < 2:
                own[name] = record
                continue
            if id(record) not in indices:
                indices[id(record)] = len(shared)
                shared.append(record)
            shared_indices[name] = indices[id(record)]
        light = copy.copy(message)
        light.content = own
        tasks.append((light, shared_indices))
    broadcast = Broadcast(put(shared) if shared else None)
    return [
        ClientTask(message=light, shared=shared_indices, broadcast=broadcast)
        for light, shared_indices in tasks
    ]


def _kind(message: Message) -> tuple[int, str]:
    return message.metadata.dst_node_id, message.metadata.message_type
