"""All systems on the same work, turn about: each in processes of its own, that wait in between."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from benchmarks.users.table import Measured, Turn
from benchmarks.users.watch import Peak, cpu_seconds, tree
from benchmarks.users.work import Facts, opened

ROOT = Path(__file__).parents[2]
PATIENCE = 900.0  # seconds for one answer


class EndedError(Exception):
    """A system that could not be started, or ended before its answer."""


@dataclass(frozen=True, kw_only=True)
class System:
    """One row of the table.

    Attributes:
        name: Name of the row.
        kind: "kernel", "engine", "loop", "centralised", "flower" or "pfl".
        processes: Processes that share the work; 2 threads of one process count as 2.
        threads: Threads of each process.
        batch_size: Batch size of a centralised pass.
        device: "cpu" or "cuda".
        python: Python that runs it.
        every: Number n of the turns of which it takes part in one.
    """

    name: str
    kind: str
    processes: int = 1
    threads: int = 1
    batch_size: int = 0
    device: str = "cpu"
    python: str = sys.executable
    every: int = 1

    def command(self, facts: str) -> list[str]:
        """What starts it."""
        start = [self.python, "-m"]
        if self.kind in ("flower", "pfl"):
            return [*start, f"benchmarks.users.systems.{self.kind}", facts, str(self.processes)]
        own = self.processes // self.threads
        numbers = [str(number) for number in (own, self.threads, self.batch_size)]
        return [*start, "benchmarks.users.worker", self.kind, facts, *numbers]


class Running:
    """A system that waits for turns.

    Args:
        system: System to run.
        facts: Facts of the work.
        log: File that takes what it prints.
    """

    def __init__(self, system: System, facts: Facts, log: IO[str]) -> None:
        self.system, self._log = system, log
        threads = str(system.threads)
        self._process = subprocess.Popen(
            system.command(replace(facts, device=system.device).to_json()),
            env=environment(OMP_NUM_THREADS=threads, MKL_NUM_THREADS=threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        self.peak = self.gpu_peak = 0.0

    def wait_until_ready(self) -> None:
        """Raises EndedError if it does not come up."""
        self._answer()

    def take(self, turn: int, tokens: int, clients: int) -> Turn:
        """Do a turn.

        Raises:
            EndedError: The process ended, or had to be ended.
        """
        process = self._process.pid
        before = cpu_seconds(process)
        with Peak(process) as peak:
            with contextlib.suppress(BrokenPipeError):
                print(turn, file=self._process.stdin, flush=True)
            answer = self._answer()
        self.peak = max(self.peak, peak.mib)
        self.gpu_peak = max(self.gpu_peak, answer.get("gpu_mib", 0.0))
        cpu = cpu_seconds(process) - before
        return Turn(turn, answer["seconds"], cpu, tokens, clients, answer["norm"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        clock = threading.Timer(PATIENCE, self._end)
        clock.start()
        line = self._process.stdout.readline()
        clock.cancel()
        if not line:
            raise EndedError(self._last_words())
        return dict(json.loads(line))

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = [line.strip() for line in self._log if line.strip()]
        return lines[-1][:200] if lines else f"no answer within {PATIENCE:.0f} s"

    def _end(self) -> None:
        for process in reversed(tree(self._process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def close(self) -> None:
        """Let it end, or end it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._end()
            self._process.wait()
        self._process.stdout.close()


def environment(**more: str) -> dict[str, str]:
    """This process's environment, with this checkout first on the path."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, **more}


def measure(systems: Sequence[System], facts: Facts, turns: int) -> list[Measured]:
    """Turn 0 warms up; in every other one each system works once, beginning with another one."""
    work = opened(facts.to_json())
    taken: dict[str, list[Turn]] = {system.name: [] for system in systems}
    failed: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        running = list(started(systems, facts, stack, failed))
        for turn in range(turns + 1):
            first = turn % max(1, len(running))
            for one in [*running[first:], *running[:first]]:
                name = one.system.name
                if turn % one.system.every or name in failed:
                    continue
                try:
                    done = one.take(turn, work.tokens(turn), len(work.users(turn)))
                except EndedError as error:
                    failed[name] = str(error)
                    continue
                say(f"turn {turn}: {name} {done.seconds:.1f} s")
                if turn:
                    taken[name].append(done)
    peaks = {one.system.name: (one.peak, one.gpu_peak) for one in running}
    return [
        Measured(
            system.name,
            system.kind,
            system.processes,
            system.device,
            tuple(taken[system.name]),
            *peaks.get(system.name, (0.0, 0.0)),
            failed.get(system.name, ""),
        )
        for system in systems
    ]


def started(
    systems: Sequence[System], facts: Facts, stack: contextlib.ExitStack, failed: dict[str, str]
) -> Iterator[Running]:
    """The systems that come up; why the others did not is noted in ``failed``."""
    for system in systems:
        log = stack.enter_context(tempfile.TemporaryFile("w+"))  # noqa: SIM115  # the stack closes it
        one = Running(system, facts, log)
        stack.callback(one.close)
        try:
            one.wait_until_ready()
        except EndedError as error:
            failed[system.name] = str(error)
        else:
            yield one


def say(line: str) -> None:
    """Progress, where it does not mix with the table."""
    print(line, file=sys.stderr, flush=True)
