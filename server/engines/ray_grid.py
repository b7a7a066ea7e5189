"""A Grid over Ray actors: one broadcast a push, dead workers replaced, late replies never seen.

Client work is a pure function of the message, so a turn that died with its worker is done again
by another and the run's bytes do not change.
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
from server.engines.nodes import OwnGrid, be_the_server, node_ids, set_identity
from server.engines.ray_pool import LOOK_EVERY, START_SECONDS, Job, RayPool
from server.engines.ray_worker import Broadcast, RayWorker, Task

ATTEMPTS = 4  # workers that may die of one message
DISPATCH_EVERY = 0.02  # seconds that a free worker waits at most while nobody pulls

log = logging.getLogger(__name__)


class RayGrid(OwnGrid):
    """Clients as turns of Ray actors; Ray is up already.

    Args:
        client_app: "package.module:name" of the ClientApp, imported in the workers.
        num_partitions: how many clients there are.
        run_config: flat run config that each client's context carries.
        workers: how many actors, each on a CPU of its own.
    """

    def __init__(
        self, client_app: str, num_partitions: int, run_config: Mapping[str, Value], workers: int
    ) -> None:
        be_the_server()
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
        self._patience = Patience()
        self._failure: Exception | None = None
        self._lock = threading.RLock()
        self._closed = threading.Event()
        # Without it a free worker would wait until the next pull for its next turn.
        self._dispatcher = threading.Thread(target=self._dispatch, name="ray-grid", daemon=True)
        self._dispatcher.start()

    def get_node_ids(self) -> list[int]:
        """All clients, always."""
        return list(self._nodes)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Hand messages to the workers, once required_replies of these are up.

        What an earlier push still works on is over: its workers are replaced.

        Raises:
            ResourceError: no worker starts.
        """
        asked = list(messages)
        with self._lock:
            self._pool.drop_work()
            self._waiting.clear()
            self._replies.clear()
            self._pool.greet()
        self._wait_for_workers(min(len(asked), self._pool.size))
        ids = [f"ray-{next(self._numbers)}" for _ in asked]
        for message, identity in zip(asked, ids, strict=True):
            set_identity(message, identity)
        tasks = as_tasks(asked)
        with self._lock:
            for message, task in zip(asked, tasks, strict=True):
                attempts = self._patience.attempts(_kind(message))
                job = Job(task, attempts)
                if attempts:
                    self._waiting[job] = message
                else:
                    self._keep(message, "not asked: its workers died the last times it was")
            self._pool.submit(list(self._waiting))
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """The replies that have come to some messages, each once; returns at once.

        Raises:
            ResourceError: workers cannot start any more.
        """
        with self._lock:
            self._settle()
            if self._failure is not None:
                raise self._failure
            known = [identity for identity in message_ids if identity in self._replies]
            return [self._replies.pop(identity) for identity in known]

    def close(self) -> None:
        """End the workers; Ray itself stays."""
        self._closed.set()
        self._dispatcher.join()
        with contextlib.suppress(Exception):  # Ray may be gone before us
            self._pool.close()

    def _dispatch(self) -> None:
        """Give free workers their next turn as soon as they are free."""
        while not self._closed.is_set():
            with self._lock:
                self._settle()
                pending = self._pool.pending() if self._waiting and not self._failure else []
            if not pending:
                self._closed.wait(DISPATCH_EVERY)
                continue
            # Outside the lock: pulls go on. Ends early when any of them is ready.
            with contextlib.suppress(RayError):  # of a worker: the next look learns of it
                ray.wait(pending, num_returns=1, timeout=DISPATCH_EVERY, fetch_local=False)

    def _settle(self) -> None:
        """Make replies of the jobs that ended; called with the lock."""
        try:
            for job in self._pool.settle():
                message = self._waiting.pop(job)
                self._patience.learn(_kind(message), died=job.deaths >= job.attempts)
                if job.error is None and isinstance(job.value, Message):
                    self._replies[message.metadata.message_id] = job.value
                else:
                    what = f"its app returned a {type(job.value).__name__}, not a Message"
                    self._keep(message, job.error or what)
        except Exception as error:  # raised where somebody can catch it: in the next pull
            self._failure = error

    def _keep(self, message: Message, reason: str) -> None:
        """Answer in the place of a client that could not."""
        error = Error(ErrorCode.CLIENT_APP_CRASHED, reason)
        self._replies[message.metadata.message_id] = Message(error, reply_to=message)

    def _wait_for_workers(self, needed: int) -> None:
        """Wait until ``needed`` actors are up, or those that can still come are."""
        start = next_word = time.monotonic()
        while True:
            with self._lock:
                self._settle()
                if self._failure is not None:
                    raise self._failure
                idle, young = self._pool.num_idle(), self._pool.num_young()
            if idle >= needed or (idle and not young):
                return
            if not young:
                raise ResourceError(
                    f"none of {self._pool.size} Ray workers came up within {START_SECONDS:.0f} s; "
                    "`ray status` shows whether the cluster has free CPUs"
                )
            if time.monotonic() > next_word + 10:
                next_word = time.monotonic()
                waited = next_word - start
                log.warning("%d of %d Ray workers are up after %.0f s", idle, needed, waited)
            time.sleep(LOOK_EVERY)


class Patience:
    """How many workers a message may cost: fewer for a client that has killed all it got.

    Such a client is asked once, at the first, second, fourth, eighth... message of that type since,
    until it answers: a worker's start costs more than a short round.
    """

    def __init__(self) -> None:
        self._tries: dict[tuple[int, str], int] = {}  # how often asked in vain
        self._wait: dict[tuple[int, str], int] = {}  # messages until it is asked again

    def attempts(self, kind: tuple[int, str]) -> int:
        """Workers that the next message of a node and type may cost; 0 is not to ask."""
        if kind not in self._tries:
            return ATTEMPTS
        self._wait[kind] -= 1
        return 0 if self._wait[kind] > 0 else 1

    def learn(self, kind: tuple[int, str], *, died: bool) -> None:
        """Take note of how a message ended."""
        if died:
            tries = self._tries[kind] = self._tries.get(kind, 0) + 1
            self._wait[kind] = max(1, 2**tries // 4)
        else:
            self._tries.pop(kind, None)
            self._wait.pop(kind, None)


def as_tasks(messages: Sequence[Message], put: Callable[[Any], Any] = ray.put) -> list[Task]:
    """Messages with their shared arrays taken out and put into the object store, once."""
    uses = Counter(
        id(record) for message in messages for record in message.content.array_records.values()
    )
    shared: list[ArrayRecord] = []
    places: dict[int, int] = {}
    tasks = []
    for message in messages:
        own, borrowed = RecordDict(), {}
        for name, record in message.content.items():
            if not isinstance(record, ArrayRecord) or uses[id(record)] < 2:
                own[name] = record
                continue
            if id(record) not in places:
                places[id(record)] = len(shared)
                shared.append(record)
            borrowed[name] = places[id(record)]
        light = copy.copy(message)
        light.content = own
        tasks.append((light, borrowed))
    broadcast = Broadcast(put(shared) if shared else None)
    return [Task(light, borrowed, broadcast) for light, borrowed in tasks]


def _kind(message: Message) -> tuple[int, str]:
    return message.metadata.dst_node_id, message.metadata.message_type
