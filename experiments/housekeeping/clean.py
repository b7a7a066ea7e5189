"""What ``fedrec clean`` removes: what is made again by itself, and what nobody reads any more."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.housekeeping.listing import runs_below
from experiments.housekeeping.processes import users_of
from experiments.housekeeping.sizes import bytes_in
from fedrec.config.values.checks import one_of, refuse
from fedrec.errors import DataError, ResourceError
from fedrec.files.home import home
from fedrec.runs.directory import is_locked
from fedrec.runs.record import COMPLETE, read_about

KINDS = ("caches", "logs", "checkpoints", "downloads")
USUAL = KINDS[:3]  # downloads need a network to come back
CACHES = {
    "prepared": "prepared data",
    "semantics": "embeddings of texts",
    "native": "compiled kernels",
}


@dataclass(frozen=True, kw_only=True)
class Removable:
    """A folder that can be removed.

    Attributes:
        path: The folder.
        what: What is in it, and what becomes of it.
        size: Its bytes.
        kept: Why it stays; empty if it goes.
    """

    path: Path
    what: str
    size: int
    kept: str = ""


def removable(kinds: Sequence[str] = ()) -> list[Removable]:
    """What can be removed below FEDREC_HOME, with sizes; nothing is removed here.

    Args:
        kinds: Some of ``KINDS``; all but the downloads if empty.

    Raises:
        ConfigError: Another kind.
    """
    refuse(one_of("--only", kind, KINDS) for kind in kinds)
    finders = {
        "caches": _caches,
        "logs": _logs,
        "checkpoints": _checkpoints,
        "downloads": _downloads,
    }
    found = [one for kind in kinds or USUAL for one in finders[kind]()]
    return [one for one in found if one.size]


def _caches() -> Iterator[Removable]:
    in_use = users_of(home() / "prepared")
    why = f"in use by process {in_use[0]}" if in_use else ""
    for name, what in CACHES.items():
        yield _removable(home() / name, f"{what}: made again when needed", why)


def _logs() -> Iterator[Removable]:
    yield _removable(home() / "logs", "tracebacks of bugs")


def _downloads() -> Iterator[Removable]:
    yield _removable(home() / "downloads", "datasets: `fedrec data get` fetches them again")


def _checkpoints() -> Iterator[Removable]:
    for run in runs_below(home() / "runs"):
        try:
            is_done = read_about(run).get("status") in COMPLETE
        except DataError:
            continue
        if is_done and (run / "checkpoints").is_dir():
            what = f"of {run.name}, which is done: it cannot be extended by more rounds then"
            yield _removable(run / "checkpoints", what, "in use" if is_locked(run) else "")


def _removable(path: Path, what: str, kept: str = "") -> Removable:
    return Removable(path=path, what=what, size=bytes_in(path), kept=kept)


def remove(found: Sequence[Removable]) -> int:
    """Remove what may go; return the number of bytes.

    Raises:
        ResourceError: A folder cannot be removed.
    """
    freed = 0
    for one in found:
        if one.kept:
            continue
        try:
            shutil.rmtree(one.path)
        except OSError as error:
            raise ResourceError(f"{one.path} cannot be removed: {error.strerror}") from None
        freed += one.size
    return freed
