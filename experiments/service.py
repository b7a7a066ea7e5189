"""A Flower service (SuperLink) of our own: started in an empty folder, gone when the run is.

Flower's command line starts a service that outlives it, is shared by every checkout of the
machine and keeps the folder, environment and code of its start. This one belongs to one run.
"""

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fedrec.errors import ResourceError
from fedrec.home import home

START_SECONDS = 90.0  # a cold disk and two cores
STOP_SECONDS = 10.0
OVER = b"over"  # what the watcher reads when it need not act
MARK = "FEDREC_SERVICE"  # environment variable that every process of one service carries
ERROR_LINE = re.compile(r"[\w.]*(Error|Exception|Exit)\b.*:|.*\bERROR\b")
SOCKET_PATH_ROOM = 30  # Ray appends about 70 characters to its folder; Unix sockets take 107


@dataclass(frozen=True)
class Service:
    """A running service.

    Attributes:
        working_folder: empty; no process but the service's own has it as working folder.
        environment: what its processes, and Flower commands that talk to it, run with.
        process: the SuperLink.
        log: everything that the service, the ServerApp and Ray print.
    """

    working_folder: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path


@contextlib.contextmanager
def service(folder: Path, settings: Mapping[str, str]) -> Iterator[Service]:
    """Start a service below ``folder``; on leaving, end it and every process it started.

    Args:
        folder: an empty folder; a short path, because Ray puts its sockets there.
        settings: further environment variables.

    Raises:
        ResourceError: Flower is not installed or its service does not start.
    """
    port = _free_port()
    environment = _environment(folder, port) | dict(settings)
    working_folder, log = folder / "empty", folder / "service.log"
    working_folder.mkdir(parents=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                flower_command("flower-superlink"),
                *("--insecure", "--simulation", "--isolation", "subprocess"),
                *("--host", "127.0.0.1", "--port", str(port)),
                "--disable-runtime-dependency-installation",
            ],
            # Ray's workers import from the working folder first: it must hold no code.
            cwd=working_folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches us alone; we decide who ends in which order
        )
    running = Service(working_folder.resolve(), environment, process, log)
    watcher = _watcher(running)
    try:
        _wait_until_healthy(running, port)
        yield running
    finally:
        _end(environment[MARK], running.working_folder)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # where there is no /proc
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        watcher.communicate(OVER)


def flower_command(name: str) -> str:
    """Path of a program of the Flower that is installed beside the running Python.

    Raises:
        ResourceError: there is none.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ResourceError(
            f"no program {name!r} beside {sys.executable} or on PATH; "
            "`pip install 'flwr[simulation]'`, or use --engine inline"
        )
    return found


def end_run(running: Service) -> None:
    """End the process of the ServerApp and wait for it, leaving the service up.

    Flower runs the ServerApp in a thread that no signal reaches, so it writes no last line.
    """
    start = time.monotonic()
    while time.monotonic() < start + STOP_SECONDS:
        ours = processes(running.environment[MARK], running.working_folder)
        pids = [pid for pid in ours if b"flwr-simulation" in _command_line(pid)]
        if not pids:
            return
        for pid in pids:
            _send(pid, signal.SIGTERM)
        time.sleep(0.2)


def processes(mark: str, working_folder: Path) -> set[int]:
    """The live processes of a service, without this one.

    Those that carry its mark in their environment or work in its folder, and all that they
    started: Ray's processes write their title over the memory where their environment was.
    """
    marked = f"{MARK}={mark}".encode()
    parents: dict[int, int] = {}
    ours: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*"):  # empty where there is no /proc
        pid = int(entry.name)
        with contextlib.suppress(OSError, ValueError, IndexError):
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if state == "Z":
                continue
            parents[pid] = int(parent)
            in_folder = (entry / "cwd").readlink() == working_folder
            if in_folder or marked in (entry / "environ").read_bytes().split(b"\0"):
                ours.add(pid)
    size = -1
    while size != len(ours):
        size = len(ours)
        ours |= {pid for pid, parent in parents.items() if parent in ours}
    return ours - {os.getpid()}


def _environment(folder: Path, port: int) -> dict[str, str]:
    values = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        MARK: secrets.token_hex(8),
        "FEDREC_HOME": str(home()),
        "FLWR_HOME": str(folder / "home"),
        "FLWR_LOCAL_SUPERLINK_HTTP_API_PORT": str(port),
        # Else every run begins with `uv sync` of torch and the rest.
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_TELEMETRY_ENABLED": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "PYTHONUNBUFFERED": "1",
        # One thread a worker: sums in one order, and speed comes from workers.
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    }
    # Ray's logs should go when the folder goes, but its sockets need a short path.
    values["RAY_TMPDIR"] = str(folder) if len(str(folder)) <= SOCKET_PATH_ROOM else "/tmp"
    return dict(os.environ) | values


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _watcher(running: Service) -> subprocess.Popen[bytes]:
    """A process that ends the service when this one is killed and cannot do it itself.

    It waits at the end of a pipe, which closes with us however we end.
    """
    root = Path(__file__).resolve().parent.parent
    return subprocess.Popen(
        [sys.executable, "-m", __name__, running.environment[MARK], str(running.working_folder)],
        cwd=running.working_folder.parent,
        env=dict(os.environ) | {"PYTHONPATH": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _watch(mark: str, working_folder: Path) -> None:
    """What the watcher does: nothing if it is told that all is over, else end what is left."""
    if sys.stdin.buffer.read() != OVER:
        _end(mark, working_folder)
        shutil.rmtree(working_folder.parent, ignore_errors=True)


def _wait_until_healthy(running: Service, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if running.process.poll() is not None:
            raise ResourceError(
                f"Flower's service ended with code {running.process.returncode} before it was "
                f"ready: {last_error(running.log.read_text(errors='replace'))}"
            )
        address = f"http://127.0.0.1:{port}/health"
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=1):
            return
        time.sleep(0.2)
    raise ResourceError(
        f"Flower's service did not answer within {START_SECONDS:.0f} s on port {port}: "
        f"{last_error(running.log.read_text(errors='replace'))}"
    )


def last_error(log: str) -> str:
    """The last line of a log that looks like an error's message, else the last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    named = [line for line in lines if ERROR_LINE.match(line)]
    return (named or lines or ["nothing in its log"])[-1][:400]


def _end(mark: str, working_folder: Path) -> None:
    """End every process of a service: ask first, then kill, until none is left."""
    start = time.monotonic()
    asked: set[int] = set()
    quiet = 0  # scans in a row without a process; one may be born while we look
    while quiet < 3 and time.monotonic() < start + 2 * STOP_SECONDS:
        left = processes(mark, working_folder)
        late = time.monotonic() > start + STOP_SECONDS
        for pid in left if late else left - asked:
            _send(pid, signal.SIGKILL if late else signal.SIGTERM)
        asked |= left
        quiet = 0 if left else quiet + 1
        time.sleep(0.1)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    _watch(sys.argv[1], Path(sys.argv[2]))
