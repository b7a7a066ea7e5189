"""`fedrec resume RUN`: go on with a run that was killed, stopped, or failed, on any engine."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.presets import read_preset
from experiments.references import NO_RESUME, engine_of, reference
from experiments.run import ignore, run
from fedrec.config import Config
from fedrec.config_keys import read_config
from fedrec.errors import ConfigError, DataError
from fedrec.home import home
from fedrec.report.history import COMPLETE, read_json
from fedrec.report.references import IN_ONE_PLACE
from server.checkpoints import load_checkpoint
from server.place import is_locked
from server.resume import refuse_to_discard


def run_folder(given: str) -> Path:
    """The folder of a run: a path, or a name under $FEDREC_HOME/runs."""
    path = Path(given)
    is_name = not path.exists() and len(path.parts) == 1
    return (home() / "runs" / given if is_name else path).resolve()


def config_of(folder: Path) -> Config:
    """The config that a run's folder holds, to be run in that folder.

    Raises:
        DataError: it is no run folder.
        ConfigError: its config.toml cannot be read by this version.
    """
    about = read_json(folder / "run.json")
    if not (folder / "config.toml").is_file():
        raise DataError(f"{folder} has no config.toml; is it the folder of a run?")
    config = read_config(read_preset(str(folder / "config.toml")))
    every = about.get("checkpoint_every", config.run.checkpoint_every)
    placed = dataclasses.replace(config.run, dir=str(folder), checkpoint_every=every)
    return dataclasses.replace(config, run=placed)


def last_engine(folder: Path) -> str:
    """The engine that carried a run when it ended."""
    about = read_json(folder / "run.json")
    resumed = about.get("resumed") or [{}]
    return str(resumed[-1].get("engine") or about.get("engine"))


def where_it_goes_on(folder: Path) -> list[str]:
    """What is said before a run goes on: after which round, and why not after a later one.

    Raises:
        DataError: the checkpoints are gone or damaged, or run.json is.
    """
    status = read_json(folder / "run.json").get("status")
    if status in COMPLETE:
        return [f"the run is {status} already: nothing to go on with"]
    if is_locked(folder) or last_engine(folder) == engine_of("local"):
        return []  # it will be refused
    checkpoint, damages = load_checkpoint(folder)
    if checkpoint is None:
        refuse_to_discard(folder)
        return ["no checkpoint was written yet: starting from the beginning"]
    return [*damages, f"the newest good checkpoint is that of round {checkpoint.round}"]


def start(
    config: Config,
    engine: str,
    *,
    command: str,
    workers: int | None = None,
    address: str | None = None,
    on_round: Callable[[dict[str, Any]], None] = ignore,
    on_wait: Callable[[int, int], None] = ignore,
) -> Path:
    """Run a config on the engine of a name as run.json has it, a reference's included.

    Raises:
        ConfigError: a reference would have workers or a cluster.
        FedrecError: as any run.
    """
    if engine.startswith(IN_ONE_PLACE):
        kind = engine.removeprefix(IN_ONE_PLACE).rstrip(")")
        for name, value in (("--workers", workers), ("--address", address)):
            if value is not None:
                raise ConfigError(
                    f"{name} is for --engine ray; a {kind} reference is made in one process, "
                    "leave it out"
                )
        return reference(kind, config, Path(config.run.dir), on_round, on_wait)
    return run(
        config,
        engine=engine,
        command=command,
        workers=workers,
        address=address,
        on_round=on_round,
        on_wait=on_wait,
    )


def resume(
    folder: Path,
    *,
    engine: str | None,
    command: str,
    accept_code_change: bool = False,
    workers: int | None = None,
    address: str | None = None,
    on_round: Callable[[dict[str, Any]], None] = ignore,
    on_wait: Callable[[int, int], None] = ignore,
) -> Path:
    """Go on with a run from its last good checkpoint, to the bytes of an uninterrupted run.

    Args:
        folder: of the run.
        engine: to go on with; the one it had when it ended, if none is named.
        command: what was typed.
        accept_code_change: go on under other code or versions, and record it.
        workers: of engine "ray".
        address: of a Ray cluster.
        on_round: called with each new line of rounds.jsonl.
        on_wait: called while replies are waited for.

    Raises:
        FedrecError: the run is complete, is another one, or cannot go on.
    """
    own = last_engine(folder)
    if own == engine_of("local") and engine not in (None, own):
        raise ConfigError(f"{folder}: {NO_RESUME}")
    config = config_of(folder)
    going_on = dataclasses.replace(config.run, resume=True, accept_code_change=accept_code_change)
    return start(
        dataclasses.replace(config, run=going_on),
        engine or own,
        command=command,
        workers=workers,
        address=address,
        on_round=on_round,
        on_wait=on_wait,
    )
