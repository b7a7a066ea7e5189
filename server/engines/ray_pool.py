"""Ray actors and who works on what: a dead actor is replaced at once and its work asked again.

Ray's own retries keep a dead actor's turn waiting until that actor is back. Here a turn goes to
whichever actor is free, and no turn is given to an actor that has not said hello.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayError, RayTaskError

from fedrec.errors import FedrecError, ResourceError

START_SECONDS = 120.0  # until an actor must have said hello: a cold disk, torch, two cores
LOOK_EVERY = 0.005  # seconds, while actors start
START_DEATHS = 5  # deaths per actor, none living in between, until starting is given up

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Job:
    """A turn to be done by any actor.

    Attributes:
        task: argument of the actor's ``answer``.
        attempts: how many actors may die of it.
        deaths: how many have.
        value: the answer, once there is one.
        error: why there is none.
    """

    task: Any
    attempts: int
    deaths: int = 0
    value: Any = None
    error: str | None = None


@dataclass(eq=False)
class Seat:
    """One actor: starting (a pending hello), idle (nothing pending) or busy (a job's answer)."""

    actor: Any
    pending: Any
    job: Job | None = None
    since: float = field(default_factory=time.monotonic)


class RayPool:
    """Actors of one kind. Not for two threads at once: the caller locks.

    Args:
        make_actor: starts an actor with the methods ``hello`` and ``answer``.
        size: how many actors to keep.
    """

    def __init__(self, make_actor: Callable[[], Any], size: int) -> None:
        self.size = size
        self._make_actor = make_actor
        self._queue: deque[Job] = deque()
        self._start_deaths = 0
        self._seats = [self._new_seat() for _ in range(size)]

    def submit(self, jobs: list[Job]) -> None:
        """Queue jobs and hand them to free actors."""
        self._queue.extend(jobs)
        self._assign()

    def pending(self) -> list[Any]:
        """The object references that actors work on."""
        return [seat.pending for seat in self._seats if seat.pending is not None]

    def settle(self) -> list[Job]:
        """Take what has been finished, replace what has died, hand out what waits.

        Returns:
            Jobs that came to an end, with an answer or an error.

        Raises:
            ResourceError: actors cannot start.
        """
        refs = {seat.pending: seat for seat in self._seats if seat.pending is not None}
        if not refs:
            return []
        ready, _ = ray.wait(list(refs), num_returns=len(refs), timeout=0)
        ended = [job for ref in ready if (job := self._settle(refs[ref])) is not None]
        self._assign()
        return ended

    def drop_work(self) -> None:
        """Forget all work: nobody waits for it. Actors that are at it are replaced."""
        self._queue.clear()
        for place, seat in enumerate(self._seats):
            if seat.job is not None:
                ray.kill(seat.actor)
                self._seats[place] = self._new_seat()

    def forget_waiting(self) -> None:
        """Hand out no more work; what actors are at goes on."""
        self._queue.clear()

    def num_busy(self) -> int:
        """Actors that are at a job."""
        return sum(seat.job is not None for seat in self._seats)

    def greet(self) -> None:
        """Ask idle actors whether they live: one may have died since its last turn."""
        for seat in self._seats:
            if seat.pending is None:
                seat.pending, seat.since = seat.actor.hello.remote(), time.monotonic()

    def num_idle(self) -> int:
        """Actors that can take a job now."""
        return sum(seat.pending is None for seat in self._seats)

    def num_young(self) -> int:
        """Actors that are starting and may still be waited for."""
        oldest = time.monotonic() - START_SECONDS
        return sum(
            s.pending is not None and s.job is None and s.since > oldest for s in self._seats
        )

    def close(self) -> None:
        """End all actors."""
        self._queue.clear()
        for seat in self._seats:
            ray.kill(seat.actor)
        self._seats = []

    def _new_seat(self) -> Seat:
        actor = self._make_actor()
        return Seat(actor, actor.hello.remote())

    def _assign(self) -> None:
        for seat in self._seats:
            if seat.pending is None and self._queue:
                seat.job = self._queue.popleft()
                seat.pending = seat.actor.answer.remote(seat.job.task)

    def _settle(self, seat: Seat) -> Job | None:
        """What a finished reference means for its actor and its job; the job if it ended."""
        job, pending = seat.job, seat.pending
        seat.job = seat.pending = None
        try:
            value = ray.get(pending)
        except RayTaskError as error:
            if isinstance(error.cause, RayError):  # the worker lost the broadcast, not itself
                return self._died(seat, job, error.cause)
            if job is None:
                raise ResourceError(f"a Ray worker cannot start: {_said(error)}") from None
            job.error = _said(error)
            return job
        except RayError as error:
            return self._died(seat, job, error)
        if job is None:
            self._start_deaths = 0
            return None
        job.value = value
        return job

    def _died(self, seat: Seat, job: Job | None, error: Exception) -> Job | None:
        """Replace an actor; its job is queued again, or over."""
        ray.kill(seat.actor)
        self._seats[self._seats.index(seat)] = self._new_seat()
        if job is None:
            self._start_deaths += 1
            if self._start_deaths > START_DEATHS * self.size:
                raise ResourceError(
                    f"{self._start_deaths} Ray workers in a row ended while they started: "
                    f"{_how(error)}"
                )
            return None
        job.deaths += 1
        log.warning("a Ray worker ended during a client's turn (%s)", _how(error))
        if job.deaths < job.attempts:
            self._queue.append(job)  # last: if it is the cause, the others come first
            return None
        times = "once" if job.deaths == 1 else f"{job.deaths} times"
        job.error = f"its worker died {times} ({_how(error)})"
        return job


def _said(error: RayTaskError) -> str:
    """An error of the worker's code in one line."""
    cause = error.cause
    if isinstance(cause, FedrecError):
        return str(cause)
    return f"{type(cause).__name__}: {cause}" if cause else str(error).strip().splitlines()[-1]


def _how(error: Exception) -> str:
    if isinstance(error, OutOfMemoryError):
        return "out of memory"
    if isinstance(error, NodeDiedError):
        return "its machine left the cluster"
    return "killed, crashed or out of memory"
