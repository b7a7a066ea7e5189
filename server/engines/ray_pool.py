"""A pool of Ray actors: a dead actor is replaced at once and its client task is run again.

Ray's own retries keep a dead actor's task waiting until that actor is back. Here a task goes to any
free actor, and no task is given to an actor that has not started.
"""

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayError, RayTaskError

from fedrec.errors import FedrecError, ResourceError
from server.engines.ray_wait import wait_seconds

POLL_EVERY = 0.005  # seconds, while actors start
START_DEATHS = 5  # deaths per actor, none living in between, until starting is given up

log = logging.getLogger(__name__)


@contextlib.contextmanager
def in_one_line() -> Iterator[None]:
    """Turn what Ray raises, often over many lines, into one line.

    Raises:
        ResourceError: Ray raised something.
    """
    try:
        yield
    except RayError as error:
        lines = str(error).strip().splitlines() or [""]
        raise ResourceError(
            f"Ray failed: {type(error).__name__}: {lines[0]}; its memory may be full, or its "
            "processes have ended"
        ) from None


@dataclass(eq=False)
class Job:
    """A client task for any actor of a pool.

    Attributes:
        task: Argument of the actor's ``run``.
        attempts: Number of actors that may die of it.
        deaths: Number of actors that have died of it.
        value: Result, once there is one.
        error: Reason why there is none.
    """

    task: Any
    attempts: int
    _: KW_ONLY
    deaths: int = 0
    value: Any = None
    error: str | None = None


@dataclass(eq=False)
class Slot:
    """One actor: starting (pending ``start``), idle (nothing pending) or busy (pending ``run``)."""

    actor: Any
    pending: Any
    _: KW_ONLY
    job: Job | None = None
    since: float = field(default_factory=time.monotonic)


class RayPool:
    """Pool of actors of one kind. It is not thread-safe: the caller locks.

    Args:
        make_actor: Starts an actor with the methods ``start`` and ``run``.
        size: Number of actors.
    """

    def __init__(self, make_actor: Callable[[], Any], size: int) -> None:
        self.size = size
        self._start_seconds = wait_seconds()
        self._make_actor = make_actor
        self._queue: deque[Job] = deque()
        self._start_deaths = 0
        with in_one_line():
            self._slots = [self._new_slot() for _ in range(size)]

    @in_one_line()
    def submit(self, jobs: list[Job]) -> None:
        """Queue jobs and assign them to free actors."""
        self._queue.extend(jobs)
        self._assign()

    def pending(self) -> list[Any]:
        """Object references that actors work on."""
        return [slot.pending for slot in self._slots if slot.pending is not None]

    @in_one_line()
    def settle(self) -> list[Job]:
        """Collect finished jobs, replace dead actors, assign waiting jobs.

        Returns:
            Jobs that ended, with a value or an error.

        Raises:
            ResourceError: Actors cannot start.
        """
        refs = {slot.pending: slot for slot in self._slots if slot.pending is not None}
        if not refs:
            return []
        ready, _ = ray.wait(list(refs), num_returns=len(refs), timeout=0)
        ended = [job for ref in ready if (job := self._settle(refs[ref])) is not None]
        self._assign()
        return ended

    @in_one_line()
    def cancel_jobs(self) -> None:
        """Cancel all jobs; busy actors are replaced."""
        self._queue.clear()
        for index, slot in enumerate(self._slots):
            if slot.job is not None:
                ray.kill(slot.actor)
                self._slots[index] = self._new_slot()

    def cancel_waiting(self) -> None:
        """Cancel jobs that wait; running ones go on."""
        self._queue.clear()

    def num_busy(self) -> int:
        """Number of actors that run a job."""
        return sum(slot.job is not None for slot in self._slots)

    @in_one_line()
    def check_idle(self) -> None:
        """Call idle actors: one may have died since its last job."""
        for slot in self._slots:
            if slot.pending is None:
                slot.pending, slot.since = slot.actor.start.remote(), time.monotonic()

    def num_idle(self) -> int:
        """Number of actors that can take a job now."""
        return sum(slot.pending is None for slot in self._slots)

    def num_starting(self) -> int:
        """Number of actors that are starting and may take longer."""
        oldest = time.monotonic() - self._start_seconds
        return sum(
            s.pending is not None and s.job is None and s.since > oldest for s in self._slots
        )

    def close(self) -> None:
        """End all actors."""
        self._queue.clear()
        for slot in self._slots:
            ray.kill(slot.actor)
        self._slots = []

    def _new_slot(self) -> Slot:
        actor = self._make_actor()
        return Slot(actor, actor.start.remote())

    def _assign(self) -> None:
        for slot in self._slots:
            if slot.pending is None and self._queue:
                slot.job = self._queue.popleft()
                slot.pending = slot.actor.run.remote(slot.job.task)

    def _settle(self, slot: Slot) -> Job | None:
        """Settle a finished reference; return its job if that ended."""
        job, pending = slot.job, slot.pending
        slot.job = slot.pending = None
        try:
            value = ray.get(pending)
        except RayTaskError as error:
            if isinstance(error.cause, RayError):  # the worker lost the broadcast, not itself
                return self._died(slot, job, error.cause)
            if job is None:
                raise ResourceError(f"a Ray worker cannot start: {_error_line(error)}") from None
            job.error = _error_line(error)
            return job
        except RayError as error:
            return self._died(slot, job, error)
        if job is None:
            self._start_deaths = 0
            return None
        job.value = value
        return job

    def _died(self, slot: Slot, job: Job | None, error: Exception) -> Job | None:
        """Replace a dead actor; its job is queued again, or ends with an error."""
        ray.kill(slot.actor)
        self._slots[self._slots.index(slot)] = self._new_slot()
        if job is None:
            self._start_deaths += 1
            if self._start_deaths > START_DEATHS * self.size:
                raise ResourceError(
                    f"{self._start_deaths} Ray workers in a row died while they started: "
                    f"{_cause_of_death(error)}"
                )
            return None
        job.deaths += 1
        log.warning("a Ray worker died during a client task (%s)", _cause_of_death(error))
        if job.deaths < job.attempts:
            self._queue.append(job)  # last: if it is what kills workers, the others come first
            return None
        times = "once" if job.deaths == 1 else f"{job.deaths} times"
        job.error = f"its worker died {times} ({_cause_of_death(error)})"
        return job


def _error_line(error: RayTaskError) -> str:
    """Error of the worker's code in one line."""
    cause = error.cause
    if isinstance(cause, FedrecError):
        return str(cause)
    return f"{type(cause).__name__}: {cause}" if cause else str(error).strip().splitlines()[-1]


def _cause_of_death(error: Exception) -> str:
    if isinstance(error, OutOfMemoryError):
        return "out of memory"
    if isinstance(error, NodeDiedError):
        return "its machine left the cluster"
    return "killed, crashed or out of memory"
