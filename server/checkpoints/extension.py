"""Extension of a run: it goes on to another number of rounds than its config named so far.

Rounds are computed as in a run of that many rounds from the beginning. What depends on where the
run ended before is told and recorded, so that a repetition does the same there.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fedrec.config.config import Config
from fedrec.config.values.choices import names_in
from fedrec.errors import ConfigError
from fedrec.files.atomic import read_regular
from fedrec.runs.record import COMPLETE, read_rounds
from server.aggregation.server_adam import ServerAdam
from server.aggregation.strategies import make_strategy
from server.checkpoints.folder import Checkpoint
from server.state.joints import EXTENDED, joints_of

CLIENT_STATE = "client_state"  # of run.json: what became of the clients' private files
DELETED, KEPT = "deleted", "kept"
START_ANEW = "start a new run from its weights: run.start-from"


@dataclass(frozen=True, kw_only=True)
class Extension:
    """An extension that begins now.

    Attributes:
        record: Its record in run.json: after which round, from and to how many rounds, whether the
            clients' optimizers start afresh, whether that round was evaluated as the last one.
        notes: What is not as in a run of that many rounds from the beginning, or worth knowing.
    """

    record: dict[str, Any]
    notes: list[str]


def with_rounds(config: Config, rounds: int) -> Config:
    """The config with another number of rounds.

    Raises:
        ConfigError: No such number of rounds is possible.
    """
    return replace(config, federation=replace(config.federation, rounds=rounds))


def planned_rounds(path: Path, about: Mapping[str, Any]) -> int:
    """Rounds that a run was to have so far: of its last extension, else of its config.toml."""
    if records := about.get(EXTENDED):
        return int(records[-1]["to"])
    try:
        written = tomllib.loads(read_regular(path / "config.toml").decode())
        return int(written["federation"]["rounds"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0  # whoever reads the config says what is wrong with it


def extension(
    path: Path, about: Mapping[str, Any], config: Config, checkpoint: Checkpoint
) -> Extension:
    """What an extension to the rounds of ``config`` does after a checkpoint.

    Args:
        path: Folder of the run.
        about: Its run.json, before the extension.
        config: Config of the run with the new number of rounds.
        checkpoint: Checkpoint that the run goes on from.

    Raises:
        ConfigError: Further rounds are none, would change nothing or cannot be computed.
    """
    after, rounds = checkpoint.round, config.federation.rounds
    before = planned_rounds(path, about)
    patience, waited = config.federation.patience, checkpoint.state.evals_without_improvement
    if patience and waited >= patience:
        raise ConfigError(
            f"{path} stopped early after round {after} (federation.patience = {patience}), and "
            f"would have with {rounds} rounds; {START_ANEW} = {str(path)!r}"
        )
    notes = _rate_notes(path, config, checkpoint)
    is_last = bool(checkpoint.line["validation"]) and after % config.federation.evaluate_every > 0
    if is_last:
        notes.append(
            f"round {after} was evaluated as the last one, which a run of {rounds} rounds does not "
            f"do (federation.evaluate-every = {config.federation.evaluate_every})"
        )
    is_deleted = about.get(CLIENT_STATE) == DELETED or after in joints_of(about).fresh
    is_fresh = is_deleted and bool(checkpoint.state.private_files())
    if is_fresh and names_in(config.model.private):
        raise ConfigError(
            f"{path}: the clients deleted their private parameters when the run ended "
            f"(model.private = {config.model.private!r}), so that it cannot go on; a run that is "
            "to be extended needs run.keep-client-state = true"
        )
    if is_fresh:
        notes.append(
            "the clients deleted the state of their optimizers when the run ended: it starts "
            f"afresh in round {after + 1}, so that the result is not that of a run of {rounds} "
            "rounds (run.keep-client-state = true keeps it)"
        )
    record = {
        "after": after,
        "from": before,
        "to": rounds,
        "fresh_optimizers": is_fresh,
        "evaluated_as_last": is_last,
        "config_hash": about.get("config_hash"),
        "status": about.get("status"),
        "best_round": checkpoint.state.best_round,
    }
    return Extension(record=record, notes=notes)


def check_rounds(path: Path, about: Mapping[str, Any], rounds: int) -> None:
    """Refuse an extension to no more rounds than a run has done, or of what trains nothing.

    Raises:
        ConfigError: There is nothing to go on to.
    """
    lines, _ = read_rounds(path / "rounds.jsonl", must_exist=False)
    done = lines[-1]["round"] if lines else 0
    if rounds <= done:
        raise ConfigError(
            f"{path} has done {done} rounds; --rounds {rounds} must be more than that"
        )
    if about.get("status") in COMPLETE and not about.get("checkpoint_every"):
        raise ConfigError(
            f"{path} wrote no checkpoints (run.checkpoint-every = 0), so that it cannot go on; "
            f"{START_ANEW} = {str(path)!r}"
        )


def refuse_scorer(path: Path, scorer: str) -> None:
    """Refuse an extension of a baseline that trains nothing.

    Raises:
        ConfigError: It is one.
    """
    if scorer != "model":
        raise ConfigError(f"{path} holds a {scorer} baseline, which trains nothing: it has no more")


def _rate_notes(path: Path, config: Config, checkpoint: Checkpoint) -> list[str]:
    """What a learning-rate schedule means for further rounds.

    Raises:
        ConfigError: The rate is 0 in all of them.
    """
    after, notes = checkpoint.round, []
    strategy = make_strategy(config.strategy.name, config.strategy.options)
    of_server = strategy.schedule_rounds if isinstance(strategy, ServerAdam) else 0
    accepted = checkpoint.strategy.arrays.get("accepted-rounds", after)
    for key, over, behind in (
        ("local.schedule-rounds", config.local.schedule_rounds, after),
        ("strategy.options: schedule-rounds", of_server, int(accepted)),
    ):
        if over and behind >= over:
            raise ConfigError(
                f"{path}: {key} = {over}: the learning rate is 0 after that, so that more rounds "
                f"change nothing; {START_ANEW} = {str(path)!r}"
            )
        if over:
            notes.append(
                f"{key} = {over} stays: the learning rate goes on falling and is 0 after {over} "
                "rounds"
            )
    return notes
