"""One run of a study: whether it is done, and how to make it, here or in a Ray worker."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.baselines.run import run_baseline
from experiments.engines.run import ignore, run
from fedrec.config.config import Config
from fedrec.errors import ConfigError, DataError, FedrecError
from fedrec.protocol import code_fingerprint
from fedrec.runs.directory import check_room, has_run
from fedrec.runs.record import COMPLETE, read_about, read_rounds
from fedrec.runs.write import write_about
from server.lifecycle.signals import Interrupted, install_signal_handlers

FEDERATED, CENTRALISED = "federated", "centralised"
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class PlannedRun:
    """A run to be made, or gone on with.

    Attributes:
        folder: Absolute path of the run folder.
        kind: "federated", or the kind of the baseline.
        config: Its config, with ``run.resume``.
        hash: Hash of the config that its folder will hold.
        rounds: Maximum number of rounds.
        until: Round after which it pauses with a checkpoint; None for a run to its end.
    """

    folder: Path
    kind: str
    config: Config
    hash: str
    rounds: int
    until: int | None = None


class Paused(Interrupted):
    """A run has reached the round until which it was to go."""

    def __init__(self) -> None:
        super().__init__(130)


def is_done(planned: PlannedRun) -> bool:
    """Whether the folder holds this very run, as far as it is to go, made by this very code.

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
    if about.get("status") in COMPLETE:
        return True
    return planned.until is not None and last_round(planned.folder) >= planned.until


def last_round(folder: Path) -> int:
    """Last round that a run has recorded; -1 before its first."""
    rounds, _ = read_rounds(folder / "rounds.jsonl", must_exist=False)
    return int(rounds[-1]["round"]) if rounds else -1


def make(planned: PlannedRun) -> str:
    """Make a run and return in one line why it failed; nothing where it did not.

    A run that fails, for whatever reason, does not stop the others.
    """
    try:
        if planned.kind == FEDERATED:
            command = f"fedrec run {planned.folder / 'config.toml'} --engine inline"
            run(planned.config, engine="inline", command=command, on_round=_pause(planned.until))
        else:
            check_room(planned.folder, overwrite=False, resume=True)
            run_baseline(planned.kind, planned.config, planned.folder, ignore, threads=1)
    except Paused:
        say_why(planned.folder, f"paused after round {planned.until}, to be compared with others")
    except FedrecError as error:
        return " ".join(str(error).split())
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    return ""


def _pause(until: int | None) -> Callable[[dict[str, Any]], None]:
    """A callback of rounds that ends the run after one of them, which saves a checkpoint."""

    def pause(line: dict[str, Any]) -> None:
        if until is not None and line["round"] >= until:
            raise Paused

    return pause


def say_why(folder: Path, reason: str) -> None:
    """Write into run.json why a run that is no longer going on has stopped."""
    with contextlib.suppress(DataError):
        about = read_about(folder)
        if about["status"] == INTERRUPTED:
            write_about(folder / "run.json", about | {"reason": reason})


class RunWorker:
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
