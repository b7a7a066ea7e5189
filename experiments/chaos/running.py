"""A ``fedrec`` command in a process of its own, with every process that it starts."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from experiments.engines import watchdog
from experiments.engines.flower_service import THREADS

ROOT = Path(__file__).resolve().parent.parent.parent
LONGEST = 600.0  # seconds that a command may take on a busy machine
LOOK_EVERY = 0.1  # seconds between looks at what goes on
LEFT_SECONDS = 30.0  # after which no process of a run that was killed may be left
WORKER = b"ray::RayWorker"  # how the title of a worker process begins
RAYLET = b"/raylet/raylet"  # how the path of Ray's process of a node ends


class Running:
    """A command while it runs; leaving the ``with`` ends it and all that it started.

    Args:
        words: Words of the command, without ``fedrec``.
        workdir: Empty folder, the working folder of the command.
        home: Value of FEDREC_HOME.
    """

    def __init__(self, words: Sequence[str], workdir: Path, home: Path) -> None:
        workdir.mkdir(parents=True, exist_ok=True)
        self._workdir, self._mark = workdir.resolve(), secrets.token_hex(8)
        self._known: dict[int, int] = {}
        self._said = workdir / "said.txt"
        # How many threads a process takes is for the engines to settle, not for who kills them.
        own = {key: value for key, value in os.environ.items() if key not in THREADS}
        own |= {"FEDREC_HOME": str(home), "PYTHONPATH": str(ROOT), watchdog.MARK: self._mark}
        with self._said.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "experiments.cli.main", *words],
                cwd=workdir,
                env=own,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,  # Ctrl-C is for us, who then end the command
            )

    def __enter__(self) -> "Running":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pid in self.processes():
            watchdog.send(pid, signal.SIGKILL)
        self.process.wait()

    def processes(self) -> dict[int, int]:
        """Its live processes, pid -> start time, those that have lost their parent included."""
        found = watchdog.processes(self._mark, self._workdir, self._known)
        self._known |= found
        return found

    def titles(self) -> dict[int, bytes]:
        """Its live processes, pid -> title."""
        return {pid: _title(pid) for pid in self.processes()}

    def workers(self) -> list[int]:
        """Its live Ray workers that clients run in."""
        return sorted(pid for pid, title in self.titles().items() if title.startswith(WORKER))

    def raylets(self) -> list[int]:
        """Its live raylets: one for each Ray of its own."""
        return sorted(
            pid for pid, title in self.titles().items() if title.partition(b" ")[0].endswith(RAYLET)
        )

    def goes_on(self) -> bool:
        """Whether the command has not ended."""
        return self.process.poll() is None

    def failed(self) -> bool:
        """Whether the command has ended, and not well."""
        return self.process.poll() not in (None, 0)

    def wait_until(self, is_so: Callable[[], bool], *, every: float = LOOK_EVERY) -> bool:
        """Wait for something; false if the command ends before it.

        What the command starts meanwhile is noted: Ray's workers cannot be told from others once
        their parent is gone.

        Raises:
            TimeoutError: Neither happens.
        """
        start = next_look = time.monotonic()
        while not is_so():
            if not self.goes_on():
                return False
            if time.monotonic() > start + LONGEST:
                raise TimeoutError(f"{self._said}: nothing came of it in {LONGEST:.0f} s")
            if time.monotonic() >= next_look:
                self.processes()
                next_look = time.monotonic() + 10 * every
            time.sleep(every)
        return self.goes_on()

    def end(self) -> int:
        """Wait until the command has ended by itself; its exit code."""
        self.wait_until(lambda: False)
        return self.process.returncode

    def kill(self) -> None:
        """SIGKILL the command itself, as the machine's out-of-memory killer would."""
        self.process.kill()
        self.process.wait()

    def left_over(self) -> list[str]:
        """Titles of its processes that are left after ``LEFT_SECONDS``; none is right."""
        deadline = time.monotonic() + LEFT_SECONDS
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
        return [_title(pid).decode(errors="replace") for pid in left]

    def last_words(self) -> str:
        """The last line that the command printed."""
        lines = self._said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def run_to_end(words: Sequence[str], workdir: Path, home: Path) -> tuple[int, str]:
    """Run a command; its exit code and the last line that it printed."""
    with Running(words, workdir, home) as running:
        return running.end(), running.last_words()


def _title(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except OSError:
        return b""
