"""Resumption of a run: choice of the checkpoint, and the check that it is the same run.

A run can be resumed on another engine or with another number of workers. Another config, other
data, code or versions would make a model that no uninterrupted run makes: they are refused, with
the differences.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fedrec import protocol
from fedrec.config.config import Config
from fedrec.config.earlier import meant_before
from fedrec.config.keys import computed_keys, config_hash, flatten
from fedrec.config.user_code import user_code
from fedrec.errors import ConfigError, DataError
from fedrec.factory.devices import device, kernel_facts
from fedrec.report.page import write_report
from fedrec.runs.checksums import check_complete, check_writable
from fedrec.runs.record import COMPLETE, read_about, read_rounds
from fedrec.runs.redaction import mark_secrets
from fedrec.runs.write import append_round
from server.checkpoints.extension import (
    Extension,
    check_rounds,
    extension,
    planned_rounds,
    refuse_scorer,
    with_rounds,
)
from server.checkpoints.folder import Checkpoint, load_checkpoint, remove_after
from server.checkpoints.history import HISTORY, check_history, check_line
from server.lifecycle.run_folder import RunFolder, versions
from server.state.joints import EXTENDED, joints_of

SHOWN = 8  # differences in a message
# Packages that change sums; others only change how a run is carried out or shown.
VERSIONS = ("torch", "numpy", "flwr")

Missing = Callable[[Checkpoint], Mapping[int, str]]


def run_identity(config: Config, threads: int, scorer: str) -> dict[str, Any]:
    """Identity that a run and its continuation must share, without the data.

    Args:
        config: Config of the run.
        threads: Threads of torch in a client.
        scorer: Scorer that is evaluated.
    """
    own = versions()
    return {
        "config": mark_secrets(computed_keys(config)),  # the identity goes into every checkpoint
        "code": protocol.code_files() | user_code(config),
        "versions": {name: own[name] for name in VERSIONS if name in own}
        | {"kernels": " ".join(kernel_facts(config).values())},
        "machine": {"device": str(device(config)), "threads of a client": threads},
        "evaluation": {"scorer": scorer},
    }


@dataclass(frozen=True)
class Resumed:
    """A checkpoint to resume from.

    Attributes:
        checkpoint: Newest intact checkpoint.
        notes: Reasons why newer ones were not taken, and differences that were accepted.
        extension: Extension to more rounds that begins now, or none.
    """

    checkpoint: Checkpoint
    notes: list[str]
    extension: Extension | None = None

    def client_state_is_gone(self, about: Mapping[str, Any]) -> bool:
        """Whether the clients begin anew after the checkpoint.

        Args:
            about: The run's run.json.
        """
        begins = self.extension is not None and self.extension.record["fresh_optimizers"]
        return begins or self.checkpoint.round in joints_of(about).fresh


def is_complete(path: Path, config: Config) -> bool:
    """Whether a folder holds this very run, complete; write its report if that is missing.

    Raises:
        ConfigError: The folder holds another run that is complete.
        DataError: A file of it is missing or not as the run wrote it.
    """
    about = read_about(path)
    if about.get("status") not in COMPLETE:
        return False
    if _extends(path, about, config):
        return False
    if about.get("config_hash") != config_hash(config):
        raise ConfigError(
            f"{path} holds a run with another config that is {about['status']}; use --overwrite, "
            "or another folder"
        )
    check_complete(path, about)
    if not (path / "report.html").exists():  # it was killed while the report was drawn
        write_report(path)
    return True


def checkpoint_to_resume(path: Path, config: Config, now: Mapping[str, Any]) -> Resumed | None:
    """Find the newest intact checkpoint of the run in a folder; none if it never wrote one.

    Args:
        path: Folder of the run.
        config: Config of the run that is resumed.
        now: Its ``run_identity``.

    Raises:
        ConfigError: The folder holds another run; the message lists the differences.
        DataError: The checkpoints are damaged, or the history is.
    """
    about = read_about(path)
    checkpoint, notes = load_checkpoint(path)
    extends = _extends(path, about, config)
    if extends:
        check_rounds(path, about, config.federation.rounds)
        refuse_scorer(path, now["evaluation"]["scorer"])
    if checkpoint is None:
        was = with_rounds(config, planned_rounds(path, about)) if extends else config
        if about.get("config_hash") != config_hash(was):
            raise ConfigError(
                f"the run in {path} has another config and left no checkpoint to compare with; "
                "use --overwrite, or another folder"
            )
        refuse_to_discard(path)
        return None
    rounds = config.federation.rounds
    then = checkpoint.about
    if extends or (EXTENDED in about and rounds == planned_rounds(path, about)):
        then = then | {"config": then["config"] | {"federation.rounds": rounds}}
    found = differences(then, now)
    of_code = [one for one in found if one.startswith(("code:", "versions:"))]
    others = [one for one in found if one not in of_code]
    if others or (of_code and not config.run.accept_code_change):
        shown = "; ".join(found[:SHOWN]) + (
            f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        )
        hint = "" if others else " (--accept-code-change goes on all the same, and records it)"
        raise ConfigError(f"{path} holds another run: {shown}{hint}")
    _check_history(path / "rounds.jsonl", checkpoint)
    check_history(path, checkpoint.round, checkpoint.about.get(HISTORY))
    check_line(path, checkpoint.line)
    check_writable(path)
    begins = extension(path, about, config, checkpoint) if extends else None
    return Resumed(checkpoint, [*notes, *of_code], begins)


def _extends(path: Path, about: Mapping[str, Any], config: Config) -> bool:
    """Whether ``config`` takes a run to another number of rounds than it was to have."""
    is_other = config.federation.rounds != planned_rounds(path, about)
    return config.run.extend and (is_other or about.get("status") in COMPLETE)


def refuse_to_discard(path: Path) -> None:
    """Refuse to restart a run that left a history but whose checkpoints are gone.

    Raises:
        DataError: The history would be lost; the message says which rounds.
    """
    rounds, _ = read_rounds(path / "rounds.jsonl", must_exist=False)
    # A checkpoint is written before the first line of history.
    if rounds and read_about(path).get("checkpoint_every"):
        raise DataError(
            f"{path / 'checkpoints'} holds no checkpoint, though the run wrote some; starting from "
            f"the beginning would discard its history, rounds 0 to {rounds[-1].get('round')}; put "
            "the folder back, or start again with --overwrite"
        )


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """List the differences between two runs: "config: local.epochs was 1, is 2"."""
    found = []
    for part, values in now.items():
        old = then.get(part, {})
        if part == "config" and old:
            before = flatten(Config()) | meant_before(old)  # of keys that its version lacked
            old = {key: value for key, value in before.items() if key in values} | old
        for key in sorted({*old, *values}):
            if old.get(key) == values.get(key):
                continue
            if part == "code":
                what = "changed" if key in old and key in values else "was added"
                found.append(f"code: {key} {what if key in values else 'was removed'}")
            else:
                found.append(f"{part}: {key} was {old.get(key)!r}, is {values.get(key)!r}")
    return found


def _check_history(path: Path, checkpoint: Checkpoint) -> None:
    """Check that rounds.jsonl holds every round before that of the checkpoint."""
    rounds, _ = read_rounds(path, must_exist=False)
    numbers = [line["round"] for line in rounds if line["round"] < checkpoint.round]
    if numbers != list(range(checkpoint.round)):
        missing = sorted(set(range(checkpoint.round)) - set(numbers))
        raise DataError(
            f"{path} lacks rounds {missing[:5]} of {checkpoint.round}; it was changed since the "
            "checkpoint, so the run's history cannot be continued"
        )


def with_private_files(path: Path, resumed: Resumed, missing: Missing) -> Resumed:
    """Find the newest checkpoint whose private client files are all there.

    Args:
        path: Folder of the run.
        resumed: Newest intact checkpoint.
        missing: Function from a checkpoint to the partitions that lack private files, with the
            reason.

    Raises:
        DataError: No checkpoint has all its private files.
    """
    while found := missing(resumed.checkpoint):
        partition, reason = next(iter(sorted(found.items())))
        number = resumed.checkpoint.round
        note = f"checkpoint round-{number:05d} cannot be used: partition {partition}: {reason}"
        older, damages = load_checkpoint(path, before=number)
        if older is None:
            raise DataError(f"{note}; there is no older one. Start again with --overwrite")
        notes = [*resumed.notes, note, *damages]
        resumed = replace(resumed, checkpoint=older, notes=notes)
    return resumed


def restore_run(folder: RunFolder, resumed: Resumed, engine: str, config: Config) -> None:
    """Restore the run's folder to its content after the checkpoint's round."""
    checkpoint = resumed.checkpoint
    remove_after(folder.path, checkpoint.round)
    begins = resumed.extension
    notes = [*resumed.notes, *(begins.notes if begins else ())]
    if begins:
        notes.insert(0, f"extended from {begins.record['from']} to {begins.record['to']} rounds")
    folder.resume(checkpoint.round, engine, notes, config, begins.record if begins else None)
    rounds, _ = read_rounds(folder.path / "rounds.jsonl", must_exist=False)
    if not rounds or rounds[-1]["round"] != checkpoint.round:
        # The run was killed after the checkpoint and before its line.
        append_round(folder.path / "rounds.jsonl", checkpoint.line)
    if checkpoint.state.best:
        folder.save_weights(checkpoint.state.best)
