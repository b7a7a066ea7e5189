"""CPU time and memory of a process and all that it started, read from /proc."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
EVERY = 1.0  # seconds between looks; one costs some milliseconds where Ray has started a dozen


def tree(root: int) -> list[int]:
    """A process and its descendants that are there now."""
    found = [root]
    for process in found:
        found += _children(process)
    return found


def _children(process: int) -> Iterator[int]:
    try:
        for task in Path(f"/proc/{process}/task").iterdir():
            yield from map(int, (task / "children").read_text().split())
    except OSError:
        return  # it has just ended


def cpu_seconds(root: int) -> float:
    """CPU time of a tree so far, with that of its processes that have ended."""
    total = 0
    for process in tree(root):
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(value) for value in fields[11:15])  # own and ended children's
    return total / TICK


def pss_mib(root: int) -> float:
    """MiB in use by a tree; pages that processes share are counted once."""
    return sum(_kib(process, "smaps_rollup", "Pss:") for process in tree(root)) / 1024


def own_peak_mib(process: int) -> float:
    """MiB that one process had in use at its peak.

    Not ``ru_maxrss``, which a process inherits from the one that started it.
    """
    return _kib(process, "status", "VmHWM:") / 1024


def _kib(process: int, file: str, key: str) -> int:
    try:
        text = Path(f"/proc/{process}/{file}").read_text()
    except OSError:
        return 0
    return int(text.partition(f"\n{key}")[2].split()[0]) if f"\n{key}" in text else 0


class Peak:
    """Looks at a tree while a block runs and keeps its highest use of memory.

    A lone process is asked for its own peak, which misses nothing between two looks.
    """

    def __init__(self, root: int) -> None:
        self.root, self.mib, self.processes = root, 0.0, 1
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.look()

    def _watch(self) -> None:
        while not self._over.wait(EVERY):
            self.look()

    def look(self) -> None:
        """Look now, too."""
        count = len(tree(self.root))
        self.processes = max(self.processes, count)
        now = own_peak_mib(self.root) if self.processes == 1 else pss_mib(self.root)
        self.mib = max(self.mib, now)
