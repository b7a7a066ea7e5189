"""Many short ``fedrec`` commands: each a forked process with limits of memory and time.

A fork has everything imported already, so that a command costs no start; whatever it does to its
caches, its folder or its memory ends with it.
"""

import contextlib
import faulthandler
import gc
import importlib
import math
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

MEMORY = 6 << 30  # bytes of address space, as `ulimit -v` counts them
SECONDS = 30.0  # of a processor; a command that takes longer is a finding
WAITS = 8  # times that in all: the machine may be busy
POLL_EVERY = 0.005
LONGEST_LINE = 2000  # characters of a message that a user can be asked to read
KILLED = -signal.SIGKILL
IMPORTED = (
    "clients.app", "experiments.cli.main", "experiments.api", "experiments.resume",
    "experiments.reproducibility.verify", "fedrec.estimator", "fedrec.factory.checks",
    "fedrec.inference", "fedrec.report.page", "server.checkpoints.resume",
    "server.engines.inline", "server.run",
)  # fmt: skip
CLEAR_CODES = (1, 2, 3, 4, 5)  # of fedrec.errors; 70 is a bug


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: Exit code; negative for a signal.
        out: Standard output.
        err: Standard error.
        seconds: Seconds of a processor.
        megabytes: Largest resident memory.
        is_late: Whether it was killed because it took too long.
    """

    code: int
    out: str
    err: str
    seconds: float
    megabytes: int
    is_late: bool = False

    def fault(self) -> str:
        """What no command may do, whatever it is told; "" for none of it."""
        if self.is_late:
            return f"not over after {self.seconds:.0f} s"
        if self.code < 0:
            return f"killed by signal {-self.code}"
        if "Traceback (most recent call last)" in self.out + self.err:
            return "a traceback"
        if self.code == 0:
            return ""
        if self.code not in CLEAR_CODES:
            return f"exit code {self.code}"
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        if not lines:
            return f"exit code {self.code} without a line that begins with error:"
        if len(max(lines, key=len)) > LONGEST_LINE:
            return f"a line of {max(map(len, lines))} characters"
        return ""

    def last_error(self) -> str:
        """Its last line of an error."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        return lines[-1] if lines else self.err.strip()[-300:]


@dataclass(frozen=True)
class Command:
    """A command to be forked.

    Attributes:
        words: Words of the command, without ``fedrec``.
        workdir: New or existing folder to call it in; its output lies there.
        home: FEDREC_HOME.
        before: Called in the process before the command, to change what it meets.
        instead: Called instead of the command, where there is one; its exit code.
    """

    words: tuple[str, ...]
    workdir: Path
    home: Path
    before: Callable[[], None] | None = None
    instead: Callable[[], int] | None = None


def each_forked(
    commands: Iterable[Command], *, jobs: int = 2, seconds: float = SECONDS
) -> Iterator[tuple[Command, Ended]]:
    """Run commands side by side; each with how it ended, in the order of the ends.

    Args:
        commands: Commands; each is taken when a place is free.
        jobs: Number of processes at a time.
        seconds: Seconds of a processor after which a command is killed.
    """
    waiting, running = iter(commands), dict[int, tuple[Command, float]]()
    late: set[int] = set()
    gc.freeze()  # what is there need not be copied into every fork
    try:
        while True:
            while len(running) < jobs and (command := next(waiting, None)) is not None:
                running[_fork(command, seconds)] = command, time.monotonic()
            if not running:
                return
            for pid, (command, start) in list(running.items()):
                done, status, usage = os.wait4(pid, os.WNOHANG)
                if done:
                    del running[pid]
                    took = usage.ru_utime + usage.ru_stime
                    is_late = pid in late or took > seconds
                    yield command, _ended(command, status, took, usage.ru_maxrss, is_late)
                elif time.monotonic() > start + WAITS * seconds and pid not in late:
                    late.add(pid)
                    os.kill(pid, signal.SIGKILL)
            time.sleep(POLL_EVERY)
    finally:
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def forked(command: Command, *, seconds: float = SECONDS) -> Ended:
    """Run one command."""
    [(_, ended)] = each_forked([command], jobs=1, seconds=seconds)
    return ended


def _fork(command: Command, seconds: float) -> int:
    command.workdir.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        code = _call(command, seconds)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _call(command: Command, seconds: float) -> int:
    """Become the command: its output, its folder, its limits; return the exit code."""
    for number, name in ((1, "out.txt"), (2, "err.txt")):
        file = os.open(command.workdir / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(file, number)
        os.close(file)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    # pytest replaces these by files of its own
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    faulthandler.enable(sys.stderr)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds), math.ceil(seconds) + 5))
    os.chdir(command.workdir)
    os.environ["FEDREC_HOME"] = str(command.home)
    os.environ.pop("FEDREC_DEBUG", None)
    sys.argv = ["fedrec", *command.words]
    if command.before:
        command.before()
    if command.instead:
        return command.instead()
    from experiments.cli.main import main

    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _ended(command: Command, status: int, seconds: float, kilobytes: int, is_late: bool) -> Ended:
    def said(name: str) -> str:
        try:
            return (command.workdir / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    code = os.waitstatus_to_exitcode(status)
    return Ended(code, said("out.txt"), said("err.txt"), seconds, kilobytes >> 10, is_late)


def import_everything() -> None:
    """Import what a command imports, once for all forks."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # an odd name of an encoder is looked for nowhere
    for name in IMPORTED:
        importlib.import_module(name)


def without_report() -> None:
    """Let runs of this process draw no report, which takes ten times as long as training."""
    import server.checkpoints.resume
    import server.run

    for module in (server.run, server.checkpoints.resume):
        vars(module)["write_report"] = lambda path: None
