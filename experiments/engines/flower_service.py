"""Start a Flower service (SuperLink) of our own in an empty folder, and stop it after the run.

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

from experiments.engines import watchdog
from fedrec.errors import ResourceError
from fedrec.files.home import home

START_SECONDS = 90.0  # a cold disk and two cores
ERROR_LINE = re.compile(r"[\w.]*(Error|Exception|Exit)\b.*:|.*\bERROR\b")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Ray asks for no password, so nobody but this machine may reach its ports. The name is Ray's own:
# it binds to 127.0.0.1 where a firewall would ask, and so does our Ray, and Flower's for our run.
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
LOCAL_ENCODERS = ("minilm", "minilm-bf16", "hashed")  # need no network
SOCKET_PATH_ROOM = 30  # Ray appends about 70 characters to its folder; Unix sockets take 107


@dataclass(frozen=True)
class Service:
    """A running service.

    Attributes:
        working_folder: Empty; no process but the service's own has it as working folder.
        environment: What its processes, and Flower commands that talk to it, run with.
        process: The SuperLink.
        log: Everything that the service, the ServerApp and Ray print.
    """

    working_folder: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path


@contextlib.contextmanager
def service(folder: Path, settings: Mapping[str, str]) -> Iterator[Service]:
    """Start a service below ``folder``; on leaving, end it and every process it started.

    Args:
        folder: An empty folder; a short path, because Ray puts its sockets there.
        settings: Further environment variables.

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
    try:
        with watchdog.watched(environment[watchdog.MARK], running.working_folder):
            _wait_until_healthy(running, port)
            yield running
    finally:
        # Where there is no /proc, the watchdog has found none.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def flower_command(name: str) -> str:
    """Path of a program of the Flower that is installed beside the running Python.

    Raises:
        ResourceError: There is none.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ResourceError(
            f"no program {name!r} beside {sys.executable} or on PATH; "
            "`pip install 'flwr[simulation]'`, or use engine 'inline'"
        )
    return found


def end_run(running: Service) -> None:
    """End the process of the ServerApp and wait for it, leaving the service up.

    Flower runs the ServerApp in a thread that no signal reaches, so it writes no last line.
    """
    start = time.monotonic()
    while time.monotonic() < start + watchdog.STOP_SECONDS:
        ours = watchdog.processes(running.environment[watchdog.MARK], running.working_folder)
        pids = [pid for pid in ours if b"flwr-simulation" in _command_line(pid)]
        if not pids:
            return
        for pid in pids:
            watchdog.send(pid, signal.SIGTERM)
        time.sleep(0.2)


def _environment(folder: Path, port: int) -> dict[str, str]:
    values = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        watchdog.MARK: secrets.token_hex(8),
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
        **dict.fromkeys(THREADS, "1"),
        **LOOPBACK,
    }
    # Ray's logs should go when the folder goes, but its sockets need a short path.
    values["RAY_TMPDIR"] = str(folder) if len(str(folder)) <= SOCKET_PATH_ROOM else "/tmp"
    return dict(os.environ) | values


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


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
    lines = [line.strip() for line in COLOURS.sub("", log).splitlines() if line.strip()]
    named = [line for line in lines if ERROR_LINE.match(line)]
    return (named or lines or ["nothing in its log"])[-1][:400]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
