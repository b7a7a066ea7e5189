"""Where a run's folder is, and whether it may be made there: nothing of the user's is ever lost."""

import shutil
from datetime import datetime
from pathlib import Path

from fedrec.config import Config
from fedrec.errors import ConfigError, DataError, ResourceError
from fedrec.home import home
from fedrec.report.history import read_json

# What a run writes. Overwriting a run removes these and nothing else.
FILES = (
    "run.json",
    "config.toml",
    "rounds.jsonl",
    "users.csv",
    "items.csv",
    "ranks.npz",
    "metrics.json",
    "model.safetensors",
    "report.html",
    "log.txt",
    "engine.log",
)
FOLDERS = ("checkpoints", "figures")
ADVICE = "choose another with --out or run.dir"


def run_path(config: Config) -> Path:
    """The folder of a run: ``run.dir``, or one named after it under ``$FEDREC_HOME/runs``."""
    if config.run.dir:
        path = Path(config.run.dir)
        if not path.is_absolute():
            raise ConfigError(
                f"run.dir must be an absolute path, got {config.run.dir!r}: Flower's service "
                "runs in a folder of its own"
            )
        return path
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    data = Path(config.data.source.partition(":")[0]).name.removesuffix(".zip")
    return home() / "runs" / (config.run.name or f"{data}-{config.strategy.name}-{stamp}")


def check_room(path: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds something, unless it is a run that may be overwritten.

    A run that failed before its first round left nothing worth keeping and is no obstacle.

    Raises:
        ConfigError: it holds something and may not be overwritten, or cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_used = path.exists() and any(path.iterdir())
    except OSError as error:
        raise ConfigError(f"run folder {path}: {error.strerror}; {ADVICE}") from None
    if not is_used or _never_began(path):
        return
    if not overwrite:
        raise ConfigError(f"run folder {path} is not empty; {ADVICE}, or add --overwrite")
    if not (path / "run.json").is_file():
        raise ConfigError(f"{path} is not empty and no run folder (it has no run.json); {ADVICE}")


def make_room(path: Path, *, overwrite: bool) -> None:
    """Make the folder of a run, without the files of an earlier one.

    Raises:
        ConfigError: as ``check_room``.
        ResourceError: it cannot be written.
    """
    check_room(path, overwrite=overwrite)
    try:
        path.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (path / name).unlink(missing_ok=True)
        for name in FOLDERS:
            if (path / name).exists():
                shutil.rmtree(path / name)
    except OSError as error:
        raise ResourceError(
            f"run folder {path} cannot be written ({error.strerror}); {ADVICE}"
        ) from error


def _never_began(path: Path) -> bool:
    about = path / "run.json"
    if not about.is_file() or (path / "rounds.jsonl").exists():
        return False
    try:
        return bool(read_json(about).get("status") == "failed")
    except DataError:
        return False  # another file of this name, or a damaged one: not ours to remove
