"""Run one ablation task with one seed: the same in this process and in a Ray worker."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.ablation.grid import FEDERATED
from experiments.baselines.run import run_baseline
from experiments.engines.run import ignore, run
from fedrec.config.keys import read_config
from fedrec.errors import ConfigError, FedrecError
from fedrec.protocol import code_fingerprint
from fedrec.runs.directory import check_room, has_run
from fedrec.runs.record import COMPLETE, read_about
from server.lifecycle.signals import install_signal_handlers

INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class PlannedRun:
    """A run to be made, or gone on with.

    Attributes:
        folder: Absolute path of the run folder.
        kind: "federated", or the kind of the baseline.
        values: Every key of its config, with ``run.resume``.
        hash: Hash of the config that its folder will hold.
        rounds: Maximum number of rounds.
    """

    folder: Path
    kind: str
    values: dict[str, Any]
    hash: str
    rounds: int


def is_done(planned: PlannedRun) -> bool:
    """Whether the folder holds this very run, finished by this very code.

    Raises:
        ConfigError: It holds a run of another config or other code, which is not replaced unasked.
    """
    if not has_run(planned.folder):
        return False
    about = read_about(planned.folder)
    if (about.get("config_hash"), about.get("code")) != (planned.hash, code_fingerprint()):
        raise ConfigError(
            f"{planned.folder} holds a run of another config or other code; choose another "
            "--out or remove it"
        )
    return about.get("status") in COMPLETE


def make(planned: PlannedRun) -> str:
    """Make a run and return in one line why it failed; nothing where it did not.

    A task that fails, for whatever reason, does not stop the others.
    """
    config = read_config(planned.values)
    try:
        if planned.kind == FEDERATED:
            command = f"fedrec run {planned.folder / 'config.toml'} --engine inline"
            run(config, engine="inline", command=command)
        else:
            check_room(planned.folder, overwrite=False, resume=True)
            run_baseline(planned.kind, config, planned.folder, ignore, threads=1)
    except FedrecError as error:
        return " ".join(str(error).split())
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    return ""


class AblationWorker:
    """The Ray actor that makes runs, one after the other."""

    def __init__(self) -> None:
        """Let a signal end a run as it does in a process of its own; Ray's handlers exit."""
        install_signal_handlers()

    def start(self) -> None:
        """Return when the worker is ready: what runs need was imported with this module."""

    def run(self, planned: PlannedRun) -> str:
        """As ``make``; a run that was asked to stop has written a checkpoint."""
        try:
            return make(planned)
        except KeyboardInterrupt:
            return INTERRUPTED
