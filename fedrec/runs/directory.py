"""Where a run's folder is, and whether it may be made there: nothing of the user's is ever lost."""

import contextlib
import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

from fedrec.config.keys import flat_tables, read_config, to_toml
from fedrec.errors import ConfigError, DataError, ResourceError
from fedrec.files.atomic import DRAFT, read_regular, try_lock
from fedrec.runs.record import read_json

# What a run writes. Overwriting a run removes these and nothing else, in this order: whoever is
# killed meanwhile leaves no checkpoint without its history, and no run.json without its config.
TRACKERS = "trackers.json"  # tracker -> what it calls the run
FILES = (
    "rounds.jsonl",
    "users.csv",
    "items.csv",
    "ranks.npz",
    "metrics.json",
    "model.safetensors",
    "items.json",
    "frozen.safetensors",
    "start.safetensors",
    "report.html",
    "log.txt",
    "engine.log",
    ".stop.json",
    TRACKERS,
    "run.json",
    "config.toml",
)
FOLDERS = ("checkpoints", "figures", "tensorboard")
LOCK = ".lock"
_DRAFT = re.compile(rf"\.(?:{'|'.join(map(re.escape, FILES))}){DRAFT}")  # of `write_file`
ADVICE = "choose another with --out or run.dir"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a run's folder, which is made where there is none: two runs in one would mix.

    The system lets go of the lock however the process ends.

    Raises:
        ConfigError: Another process holds it, or it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = try_lock(path / LOCK)
    except OSError as error:
        raise ConfigError(f"run folder {path}: {error.strerror}; {ADVICE}") from None
    if file is None:
        raise _in_use(path)
    try:
        os.truncate(file, 0)
        os.write(file, str(os.getpid()).encode())
        yield
    finally:
        with contextlib.suppress(OSError):
            (path / LOCK).unlink()
        os.close(file)


def is_locked(path: Path) -> bool:
    """Whether another process holds the folder of a run."""
    try:
        file = try_lock(path / LOCK) if (path / LOCK).exists() else -1
    except OSError:
        return False  # what cannot be opened is refused by whoever writes there
    if file is not None and file >= 0:
        os.close(file)
    return file is None


def has_run(path: Path) -> bool:
    """Whether a folder holds a run that has begun: what --resume goes on from."""
    return (path / "run.json").is_file() and not _never_began(path)


def check_room(path: Path, *, overwrite: bool, resume: bool = False) -> None:
    """Refuse a folder that holds something, unless it is a run that may be overwritten or resumed.

    A run that failed before its first round left nothing worth keeping and is no obstacle.

    Raises:
        ConfigError: It holds something and may not be overwritten, or cannot be made.
    """
    if is_locked(path):
        raise _in_use(path)
    if not (resume and has_run(path)):
        _check_empty(path, overwrite=overwrite)


def _in_use(path: Path) -> ConfigError:
    try:
        holder = f" (process {int(read_regular(path / LOCK))})"
    except (OSError, ValueError):
        holder = ""  # it has just ended, or has just begun
    return ConfigError(f"run folder {path} is in use by another run{holder}; {ADVICE}")


def _check_empty(path: Path, *, overwrite: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_used = path.exists() and not _is_free(path)
    except OSError as error:
        raise ConfigError(f"run folder {path}: {error.strerror}; {ADVICE}") from None
    if not is_used or _never_began(path):
        return
    if not overwrite:
        hint = f", go on with it by `fedrec resume {path}`" if has_run(path) else ""
        raise ConfigError(f"run folder {path} is not empty; {ADVICE}{hint}, or add --overwrite")
    if not (path / "run.json").is_file():
        raise ConfigError(f"{path} is not empty and no run folder (it has no run.json); {ADVICE}")


def _is_free(path: Path) -> bool:
    """Whether a folder holds nothing but what a run left that was killed before its run.json."""
    names = {one.name for one in path.iterdir() if not _DRAFT.fullmatch(one.name)}
    if names == {LOCK, "config.toml"}:  # it had no time to remove its lock either
        return _is_written_by_us(path / "config.toml")
    return names <= {LOCK}


def _is_written_by_us(path: Path) -> bool:
    """Whether a config file equals, byte for byte, what a run would write."""
    try:
        text = read_regular(path).decode()
        return to_toml(read_config(flat_tables(tomllib.loads(text)))) == text
    except (OSError, ValueError, ConfigError):
        return False


def prepare_run_dir(path: Path, *, overwrite: bool) -> None:
    """Make the folder of a run, which this process has locked, without the files of an earlier one.

    Raises:
        ConfigError: As for ``check_room``.
        ResourceError: It cannot be written.
    """
    _check_empty(path, overwrite=overwrite)
    try:
        path.mkdir(parents=True, exist_ok=True)
        remove_drafts(path)
        for name in FOLDERS:
            if (path / name).exists():
                shutil.rmtree(path / name)
        for name in FILES:
            (path / name).unlink(missing_ok=True)
    except OSError as error:
        raise ResourceError(
            f"run folder {path} cannot be written ({error.strerror}); {ADVICE}"
        ) from error


def remove_drafts(path: Path) -> None:
    """Remove what a process that was killed while it wrote a file of the run has left of it."""
    for draft in path.glob(".*.tmp"):
        if _DRAFT.fullmatch(draft.name):
            draft.unlink(missing_ok=True)


def _never_began(path: Path) -> bool:
    about = path / "run.json"
    if not about.is_file() or (path / "rounds.jsonl").exists():
        return False
    try:
        return bool(read_json(about).get("status") == "failed")
    except DataError:
        return False  # another file of this name, or a damaged one: not ours to remove
