"""End every process that an engine started, however the command itself ends.

A watcher, a process of its own, waits at the end of a pipe that closes with us. While we live it
learns which processes are ours: Ray's workers write their title over the memory where their
environment was, so that once their parent is gone nothing else tells whose they were.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from server.lifecycle.signals import uninterrupted

STOP_SECONDS = 10.0  # between asking to end and killing
LOOK_SECONDS = 1.0  # between the watcher's looks
OVER = b"over"  # what the watcher reads when it need not act
MARK = "FEDREC_SERVICE"  # environment variable that every process of one engine carries
NONE: Mapping[int, int] = MappingProxyType({})

Processes = dict[int, int]  # pid -> start time, which tells a process from a later one of that pid


def nothing() -> None:
    """An engine that has no way of its own to end."""


@contextlib.contextmanager
def watched(
    mark: str,
    working_folder: Path,
    shut_down: Callable[[], None] = nothing,
    last_words: str = "",
) -> Iterator[None]:
    """End an engine's processes on leaving the ``with``, and if this process is killed inside it.

    Args:
        mark: Value of the environment variable MARK in the engine's processes.
        working_folder: Working folder of the engine, in a scratch folder that a kill removes too.
        shut_down: The engine's own shutdown, called first.
        last_words: Line on standard error if this process is killed, or the engine ends it: Ray
            does so, without a word, when its raylet dies.
    """
    root = Path(__file__).resolve().parents[2]
    watcher = subprocess.Popen(
        [sys.executable, "-m", __name__, mark, str(working_folder), last_words],
        cwd=working_folder.parent,
        env=dict(os.environ) | {"PYTHONPATH": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=None if last_words else subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        # Whatever breaks this off, the watcher is not told that all is over: it does the rest.
        with uninterrupted():
            known = processes(mark, working_folder)
            shut_down()
            end(mark, working_folder, known)
            watcher.communicate(OVER)


def processes(mark: str, working_folder: Path, known: Mapping[int, int] = NONE) -> Processes:
    """The live processes of an engine, without this one.

    Those that carry its mark in their environment, work in its folder or were known before, and
    all that they started.
    """
    marked = f"{MARK}={mark}".encode()
    parents: dict[int, int] = {}
    starts: Processes = {}
    ours: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*"):  # empty where there is no /proc
        pid = int(entry.name)
        with contextlib.suppress(OSError, ValueError, IndexError):
            facts = (entry / "stat").read_text().rpartition(")")[2].split()
            if facts[0] == "Z":
                continue
            parents[pid], starts[pid] = int(facts[1]), int(facts[19])
            is_known = known.get(pid) == starts[pid]
            if is_known or (entry / "cwd").readlink() == working_folder or _has(entry, marked):
                ours.add(pid)
    size = -1
    while size != len(ours):
        size = len(ours)
        ours |= {pid for pid, parent in parents.items() if parent in ours}
    return {pid: starts[pid] for pid in ours - {os.getpid()}}


def end(mark: str, working_folder: Path, known: Mapping[int, int] = NONE) -> None:
    """End every process of an engine: ask first, then kill, until none is left."""
    start = time.monotonic()
    asked: set[int] = set()
    quiet = 0  # scans in a row without a process; one may be born while we look
    while quiet < 3 and time.monotonic() < start + 2 * STOP_SECONDS:
        left = processes(mark, working_folder, known)
        known = {**known, **left}
        late = time.monotonic() > start + STOP_SECONDS
        for pid in left if late else left.keys() - asked:
            send(pid, signal.SIGKILL if late else signal.SIGTERM)
        asked |= left.keys()
        quiet = 0 if left else quiet + 1
        time.sleep(0.1)


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _has(entry: Path, variable: bytes) -> bool:
    return variable in (entry / "environ").read_bytes().split(b"\0")


def _watch(mark: str, working_folder: Path, last_words: str) -> None:
    """What the watcher does: nothing if it is told that all is over, else end what is left."""
    known: Processes = {}
    while not select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:
        known = processes(mark, working_folder, known)
    if sys.stdin.buffer.read() != OVER:
        if last_words:
            with contextlib.suppress(OSError):  # the terminal may be gone, too
                print(last_words, file=sys.stderr, flush=True)
        end(mark, working_folder, known)
        shutil.rmtree(working_folder.parent, ignore_errors=True)


if __name__ == "__main__":
    _watch(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
