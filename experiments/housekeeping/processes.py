"""Processes of this machine that fedrec looks for; only Linux tells of them."""

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from experiments.engines.watchdog import MARK
from server.lifecycle.flower_service import SERVICE

PROC = Path("/proc")


def flower_services(processes: Path = PROC) -> Iterator[str]:
    """A line for each Flower service: its process, folder, Python, and how to stop it.

    A service keeps the folder, environment and code of its start, and a later `flwr run` meets it.
    That of `fedrec run` ends with its run and is left out.

    Args:
        processes: Folder of the processes.
    """
    for entry in _entries(processes):
        with contextlib.suppress(OSError, ValueError):
            words = [os.fsdecode(word) for word in (entry / "cmdline").read_bytes().split(b"\0")]
            if SERVICE not in {os.path.basename(word) for word in words[:2]}:
                continue
            if f"{MARK}=".encode() in (entry / "environ").read_bytes():  # of a run that goes on
                continue
            folder = str((entry / "cwd").readlink())
            where = shlex.quote(folder.removesuffix(" (deleted)"))
            notes = "which is gone; " if folder.endswith(" (deleted)") else ""
            if not _is_ours(words[0]):
                notes += f"by {words[0]}, another Python than this; "
            yield f"process {entry.name} in {where}: {notes}stop it by `kill {entry.name}`"


def users_of(folder: Path, processes: Path = PROC) -> list[int]:
    """Other processes that have a file of a folder mapped into their memory."""
    wanted, found = f"{folder}{os.sep}".encode(), []
    for entry in _entries(processes):
        with contextlib.suppress(OSError):
            if int(entry.name) != os.getpid() and wanted in (entry / "maps").read_bytes():
                found.append(int(entry.name))
    return found


def _entries(processes: Path) -> list[Path]:
    if not processes.is_dir():
        return []
    return sorted((p for p in processes.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))


def _is_ours(python: str) -> bool:
    return os.path.dirname(python) == os.path.dirname(sys.executable)
