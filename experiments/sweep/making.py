"""Make the runs of a study, as many at a time as there is room for: here, or as tasks of Ray.

All that is kept is in the folders of the runs, so a second call goes on where the first one ended.
"""

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.engines.ray import cluster, is_up, ray_of_our_own
from experiments.sweep.planned import PlannedRun, RunWorker, is_done, make
from fedrec.config.config import Config
from fedrec.errors import ConfigError, FedrecError, ResourceError
from fedrec.files.machine import cores
from server.engines.ray_pool import Job, RayPool
from server.lifecycle.signals import raise_pending_signal, uninterrupted
from server.lifecycle.stop_file import clear_stop_request, request_stop

ATTEMPTS = 3  # workers that may die of one run; it goes on from its checkpoint each time
LOOK_EVERY = 0.05  # seconds
SAME_COMMAND = "the same command goes on with the runs that are left"
STOP_SECONDS = 15.0  # that runs have to write a checkpoint before their workers are killed

Failures = dict[str, str]  # name of a run's folder -> why it failed
Ended = Callable[[PlannedRun, str], None]  # a run, and why it failed; nothing if it did not
Show = Callable[[Sequence[PlannedRun], int], contextlib.AbstractContextManager[Ended]]


@dataclass(frozen=True, kw_only=True)
class Room:
    """Where runs are made, and how many at a time.

    Attributes:
        jobs: Runs at a time; as many as the CPUs and GPUs have room for when None. One needs no
            Ray.
        address: Ray cluster to make them on, "auto" or host:port; None is this machine.
        cpus: CPUs that a run takes, of Ray's.
        gpus: GPUs that a run takes; shares of one may be taken by several.
    """

    jobs: int | None = None
    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0

    def check(self, jobs: str = "--jobs") -> None:
        """Refuse numbers that cannot be.

        Args:
            jobs: What the user calls the number of runs at a time.

        Raises:
            ConfigError: One line for each.
        """
        problems = []
        if self.jobs is not None and self.jobs < 1:
            problems.append(f"{jobs} must be 1 or more, got {self.jobs}")
        if not 0 < self.cpus < math.inf:
            problems.append(f"--cpus must be a number above 0, got {self.cpus:g}")
        if not 0 <= self.gpus < math.inf or (self.gpus > 1 and self.gpus % 1):
            problems.append(
                f"--gpus must be 0, a share of one GPU, or a whole number, got {self.gpus:g}"
            )
        if problems:
            raise ConfigError(*problems)

    def jobs_here(self, runs: int) -> int:
        """How many of so many runs this machine makes at a time."""
        return min(self.jobs or max(1, int(cores() / self.cpus)), runs)


def make_runs(
    planned_runs: Sequence[PlannedRun], room: Room, config: Config, on_end: Ended
) -> None:
    """Make runs in this process, or as tasks of Ray actors; return when none is left.

    Args:
        planned_runs: Runs that are not done yet, in the order in which they begin.
        room: Where, and how many at a time.
        config: Config that says what all workers need, such as a network for their encoders.
        on_end: Called with each run that ends, and why it failed.

    Raises:
        ResourceError: Ray does not start, or there is no room for a run.
    """
    if not planned_runs:
        return
    if room.address is None and room.jobs_here(len(planned_runs)) <= 1:
        for planned in planned_runs:
            on_end(planned, make(planned))
        return
    with _workers(planned_runs, room, config) as (ray, pool):
        jobs = {Job(planned, ATTEMPTS): planned for planned in planned_runs}
        pool.submit(list(jobs))
        try:
            while jobs:
                for job in pool.settle():
                    planned = jobs.pop(job)
                    on_end(planned, job.error or job.value or _elsewhere(planned))
                raise_pending_signal()
                time.sleep(LOOK_EVERY)
        except KeyboardInterrupt:
            with uninterrupted():
                _stop(pool, list(jobs.values()), lambda: is_up(ray))
            raise


@contextlib.contextmanager
def _workers(
    planned_runs: Sequence[PlannedRun], room: Room, config: Config
) -> Iterator[tuple[Any, RayPool]]:
    """Ray with a pool of workers, one for each run at a time."""
    with contextlib.ExitStack() as stack:
        if room.address is None:
            jobs = room.jobs_here(len(planned_runs))
            num_cpus = max(1, math.ceil(jobs * room.cpus))
            ray = stack.enter_context(ray_of_our_own(config, num_cpus, SAME_COMMAND))
        else:
            jobs = min(room.jobs or len(planned_runs), len(planned_runs))
            ray = stack.enter_context(cluster(config, room.address))
        yield (
            ray,
            stack.enter_context(_pool(ray, jobs_in(ray.cluster_resources(), room, jobs), room)),
        )


def jobs_in(resources: dict[str, float], room: Room, wanted: int) -> int:
    """How many runs a Ray has room for.

    Args:
        resources: Ray's resource -> how much there is of it.
        room: What a run takes.
        wanted: Runs at a time, at most.

    Raises:
        ResourceError: There is no room for one.
    """
    for name, share in (("CPU", room.cpus), ("GPU", room.gpus)):
        there = resources.get(name, 0.0)
        if share > there:
            raise ResourceError(
                f"a run is to take {share:g} {name}s (--{name.lower()}s), Ray has {there:g}"
            )
        if share:
            wanted = min(wanted, int(there / share + 1e-9))
    return wanted


@contextlib.contextmanager
def _pool(ray: Any, workers: int, room: Room) -> Iterator[RayPool]:
    actor = ray.remote(num_cpus=room.cpus, num_gpus=room.gpus, max_restarts=0, max_task_retries=0)(
        RunWorker
    )
    pool = RayPool(actor.remote, workers)
    try:
        yield pool
    finally:
        with uninterrupted(), contextlib.suppress(Exception):  # Ray may be gone before us
            if is_up(ray):
                pool.close()


def _elsewhere(planned: PlannedRun) -> str:
    """Why a run that another machine has made counts as failed; nothing where it is here."""
    try:
        if is_done(planned):
            return ""
    except FedrecError as error:
        return " ".join(str(error).split())
    return (
        f"a worker has made it, but {planned.folder} does not hold it here; give --out a folder "
        "that all machines of the cluster share"
    )


def _stop(pool: RayPool, planned_runs: Sequence[PlannedRun], lives: Callable[[], bool]) -> None:
    """Let the runs that go on write down where they are, as far as they do it in time.

    A signal to the whole process group, such as `timeout` sends, ends Ray as well: then its workers
    have had the signal themselves.
    """
    pool.cancel_waiting()
    begun = [planned.folder for planned in planned_runs if _has_begun(planned.folder)]
    for folder in begun:
        request_stop(folder, 128 + signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
        if not lives():
            break
        pool.settle()
        if not pool.num_busy():
            break
    for folder in begun:
        clear_stop_request(folder)


def _has_begun(folder: Path) -> bool:
    return (folder / "run.json").exists()


@contextlib.contextmanager
def saying_how_to_go_on() -> Iterator[None]:
    """Add to an interruption that nothing is lost, whatever single runs have said of themselves."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.__notes__ = [SAME_COMMAND]
        raise
