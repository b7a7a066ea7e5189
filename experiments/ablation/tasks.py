"""One run of the grid: the same in this process and in a Ray worker, with one thread."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.ablation.grid import FEDERATED
from experiments.engines.run import ignore, run
from experiments.references.references import reference
from fedrec.config.keys import read_config
from fedrec.errors import ConfigError, FedrecError
from fedrec.protocol import code_fingerprint
from fedrec.runs.record import COMPLETE, read_json
from server.lifecycle.run_directory import check_room, has_run
from server.lifecycle.signals import end_by_signals

INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Task:
    """A run to be made, or gone on with.

    Attributes:
        folder: of the run, absolute.
        kind: "federated", or of which kind the reference is.
        values: every key of its config, with ``run.resume``.
        hash: of the config that its folder will hold.
        rounds: how many there are at most.
    """

    folder: Path
    kind: str
    values: dict[str, Any]
    hash: str
    rounds: int


def is_done(task: Task) -> bool:
    """Whether the folder holds this very run, finished by this very code.

    Raises:
        ConfigError: it holds a run of another config or other code, which is not replaced unasked.
    """
    if not has_run(task.folder):
        return False
    about = read_json(task.folder / "run.json")
    if (about.get("config_hash"), about.get("code")) != (task.hash, code_fingerprint()):
        raise ConfigError(
            f"{task.folder} holds a run of another config or other code; choose another --out or "
            "remove it"
        )
    return about.get("status") in COMPLETE


def make(task: Task) -> str:
    """Make a run and return in one line why it failed; nothing where it did not.

    A cell that fails, for whatever reason, does not stop the others.
    """
    config = read_config(task.values)
    try:
        if task.kind == FEDERATED:
            command = f"fedrec run {task.folder / 'config.toml'} --engine inline"
            run(config, engine="inline", command=command)
        else:
            check_room(task.folder, overwrite=False, resume=True)
            reference(task.kind, config, task.folder, ignore, threads=1)
    except FedrecError as error:
        return " ".join(str(error).split())
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    return ""


class CellWorker:
    """The Ray actor that makes runs, one after the other."""

    def __init__(self) -> None:
        """Let a signal end a run as it does in a process of its own; Ray's handlers exit."""
        end_by_signals()

    def hello(self) -> None:
        """Say that this worker is up: what runs need was imported with this module."""

    def answer(self, task: Task) -> str:
        """As ``make``; a run that was asked to stop has written a checkpoint."""
        try:
            return make(task)
        except KeyboardInterrupt:
            return INTERRUPTED
