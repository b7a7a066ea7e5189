"""Engine "ray": a Ray of our own for one run, or workers on a cluster that is there already."""

import contextlib
import os
import secrets
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fedrec
from experiments.engines import watchdog
from experiments.engines.flower_service import (
    LOCAL_ENCODERS,
    LOOPBACK,
    SOCKET_PATH_ROOM,
    THREADS,
)
from experiments.engines.ray_address import cluster_address, host_and_port
from experiments.engines.ray_start import (
    has_raylet,
    more_time,
    patience,
    replaced,
    telling,
    variables,
    waiting_for_node,
)
from fedrec.config.config import Config
from fedrec.config.keys import flatten
from fedrec.errors import ConfigError, ResourceError
from fedrec.files.home import home
from server.lifecycle.signals import raise_pending_signal, reinstall_signal_handlers, uninterrupted

if TYPE_CHECKING:
    from server.engines.ray_grid import RayGrid

KILLED = "error: this command was killed, or Ray's own process (raylet) was, which ends it"
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


def check_options(engine: str, workers: int | None, address: str | None) -> None:
    """Refuse options that the engine does not have.

    Raises:
        ConfigError: One is given to another engine than "ray", or cannot be.
    """
    for name, value in (("workers", workers), ("address", address)):
        if value is not None and engine != "ray":
            raise ConfigError(f"{name} is an option of engine 'ray', got engine {engine!r}")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be 1 or more, got {workers}")
    if address is not None and address != "auto" and host_and_port(address) is None:
        raise ConfigError(f"address must be auto or host:port, got {address!r}")


@contextlib.contextmanager
def ray_grid(config: Config, workers: int | None, address: str | None) -> Iterator["RayGrid"]:
    """A Grid whose client tasks run in Ray actors; leaving it stops what it has started.

    Args:
        config: Config of the run.
        workers: Number of actors; by default one per usable core, or per CPU of the cluster. Never
            more than there are partitions.
        address: Address of a cluster to attach to, "auto" or host:port; None starts a Ray of our
            own. The cluster stays as it was.

    Raises:
        ResourceError: Ray is not installed, does not start, or there is no cluster.
    """
    from fedrec.files.machine import cores

    ray = _ray()
    most = config.partition.count
    if address is None:
        size = min(workers or cores(), most)
        hint = f"go on with: fedrec resume {shlex.quote(config.run.dir)}"
        entered = _own_ray(ray, size, _worker_environment(config), hint)
    else:
        entered = _attached(ray, address, _worker_environment(config))
    with entered as num_cpus:
        from server.engines.ray_grid import RayGrid

        size = min(workers or num_cpus, most)
        if size > num_cpus:
            raise ResourceError(
                f"workers = {size} needs as many CPUs, the Ray cluster has {num_cpus}; "
                "lower it, or leave it out to use them all"
            )
        grid = RayGrid("clients.app:app", most, flatten(config), size)
        try:
            yield grid
        finally:
            with uninterrupted():
                grid.close()


@contextlib.contextmanager
def ray_of_our_own(config: Config, num_cpus: int, hint: str) -> Iterator[Any]:
    """The module ``ray``, with a Ray on this machine; on leaving, nothing of it is left.

    Args:
        config: Config of the runs that the workers make.
        num_cpus: Number of CPUs of Ray, each for a worker with one thread.
        hint: How to go on where this process is killed.

    Raises:
        ResourceError: Ray is not installed or does not start.
    """
    ray = _ray()
    with _own_ray(ray, num_cpus, _worker_environment(config), hint):
        yield ray


@contextlib.contextmanager
def cluster(config: Config, address: str) -> Iterator[Any]:
    """The module ``ray``, attached to a cluster that stays as it was.

    Args:
        config: Config that says what the workers need.
        address: "auto", or host:port of its head.

    Raises:
        ConfigError: The address is neither.
        ResourceError: Ray is not installed, or no cluster answers.
    """
    check_options("ray", None, address)
    ray = _ray()
    with _attached(ray, address, _worker_environment(config)):
        yield ray


def is_up(ray: Any) -> bool:
    """Whether the processes of our own Ray live; calls to one without end this process."""
    node = ray._private.worker._global_node
    return node is not None and not node.dead_processes()


def _ray() -> Any:
    try:
        with variables(patience()):  # this process reads them once
            import ray
    except ImportError as error:
        raise ResourceError(
            f"Ray cannot be imported ({error}); `pip install 'flwr[simulation]'`, or use "
            "engine 'inline'"
        ) from None
    if ray.is_initialized():
        raise ResourceError(
            "this process is connected to a Ray already; call ray.shutdown() first, or use "
            "engine 'inline'"
        )
    return ray


@contextlib.contextmanager
def _own_ray(ray: Any, num_cpus: int, environment: dict[str, str], hint: str) -> Iterator[int]:
    mark = secrets.token_hex(8)
    short = len(tempfile.gettempdir()) + len("/fedrec-12345678/ray") <= SOCKET_PATH_ROOM
    with tempfile.TemporaryDirectory(
        prefix="fedrec-", dir=None if short else "/tmp", ignore_cleanup_errors=True
    ) as scratch:
        folder = Path(scratch) / "ray"
        folder.mkdir()
        with watchdog.watched(mark, folder, lambda: _shut_down(ray), f"{KILLED}; {hint}"):
            ours = QUIET | LOOPBACK | patience() | {watchdog.MARK: mark}
            with (
                variables(ours),
                _loopback(ray),
                telling("Ray's services to start"),
                waiting_for_node(ray, lambda: has_raylet(watchdog.processes(mark, folder))),
            ):
                _init(
                    ray,
                    "Ray does not start",
                    address="local",
                    num_cpus=num_cpus,
                    include_dashboard=False,
                    _temp_dir=str(folder),
                    runtime_env={"env_vars": environment},
                )
            yield num_cpus


@contextlib.contextmanager
def _attached(ray: Any, address: str, worker_environment: dict[str, str]) -> Iterator[int]:
    where = cluster_address(address)
    try:
        with variables(QUIET):
            _init(
                ray,
                f"no Ray cluster can be used at {where}",
                address=where,
                runtime_env={"env_vars": worker_environment},
            )
        num_cpus = int(ray.cluster_resources().get("CPU", 0))
        if num_cpus < 1:
            raise ResourceError(f"the Ray cluster at {where} has no CPU")
        yield num_cpus
    finally:
        _shut_down(ray)  # the cluster is not ours


def _init(ray: Any, what: str, **arguments: Any) -> None:
    """Call ``ray.init`` as a guest in this process: no handler of signals, no prints."""
    try:
        with _our_signals(ray):
            ray.init(log_to_driver=False, logging_level="ERROR", **arguments)
            reinstall_signal_handlers()  # Ray's C++ prints its stack and aborts at SIGTERM
            raise_pending_signal()
    except (Exception, SystemExit) as error:
        lines = str(error).strip().splitlines() or [""]
        hint = more_time() if "time" in str(error).lower() else ""
        raise ResourceError(f"{what}: {type(error).__name__}: {lines[0]}{hint}") from None
    # A line on stdout for each dead worker, which no option of Ray's turns off; the pool logs it.
    ray._private.worker.print_to_stdstream = _do_nothing


def _shut_down(ray: Any) -> None:
    """End our part of a Ray, or all of it if it is ours; no Ctrl-C breaks that off.

    While it does, Ray's C++ gives SIGTERM back to the system: a second one kills us, who have
    written down how the run ended by then, and the watcher ends the rest.
    """
    with uninterrupted():  # which puts our handler of SIGTERM back
        ray.shutdown()


def _loopback(ray: Any) -> AbstractContextManager[None]:
    """Bind the ports of a Ray that starts now to 127.0.0.1; ``_node_ip_address`` does not.

    Ray has read ``LOOPBACK`` when it was imported, which may have been before.
    """
    return replaced(ray._private.ray_constants, "ENABLE_RAY_CLUSTER", False)


def _our_signals(ray: Any) -> AbstractContextManager[None]:
    """Keep what SIGTERM does: Ray's handlers exit, and that looks like a start that failed."""
    return replaced(ray._private.utils, "set_sigterm_handler", _do_nothing)


def _do_nothing(*_: object, **__: object) -> None:
    pass


def _worker_environment(config: Config) -> dict[str, str]:
    """What a worker's environment must hold, on this machine and on others."""
    root = Path(fedrec.__file__).resolve().parent.parent
    path = [str(root), str(Path.cwd())]  # ours first; a module of the user's lies in the second
    path += [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    offline = os.environ.get("HF_HUB_OFFLINE")
    if config.semantics.encoder in LOCAL_ENCODERS:
        offline = "1"
    return {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(path)),
        "FEDREC_HOME": str(home()),
        # One thread a worker: sums in one order, and speed comes from workers.
        **dict.fromkeys(THREADS, "1"),
        **({"HF_HUB_OFFLINE": offline} if offline else {}),
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # a worker sees the GPU that we see
    }
