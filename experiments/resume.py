"""Resume a run that was killed, stopped, or failed, on any engine: `fedrec resume RUN`."""

import dataclasses
from pathlib import Path
from typing import Unpack

from experiments.baselines.run import NO_RESUME, engine_of, run_baseline
from experiments.engines.run import How, ignore, run
from experiments.presets import read_preset
from fedrec.config.config import Config
from fedrec.config.keys import read_config
from fedrec.config.start_file import COPY
from fedrec.config.trust import check_trust
from fedrec.errors import ConfigError, DataError
from fedrec.files.home import home
from fedrec.files.paths import followed
from fedrec.report.references import BASELINE_ENGINE
from fedrec.runs.checksums import check_complete, check_files
from fedrec.runs.directory import is_locked
from fedrec.runs.record import COMPLETE, read_about
from server.checkpoints.extension import check_rounds, extension, planned_rounds, with_rounds
from server.checkpoints.folder import load_checkpoint
from server.checkpoints.resume import refuse_to_discard
from server.state.joints import EXTENDED


def run_folder(given: str) -> Path:
    """The folder of a run: a path, or a name under $FEDREC_HOME/runs."""
    path = Path(given)
    try:
        is_name = not path.exists() and len(path.parts) == 1
        return followed(home() / "runs" / given if is_name else path)
    except (OSError, ValueError) as error:  # a link to itself, a NUL, a long name
        raise DataError(f"{given[:200]!r} is no folder of a run: {error}") from None


def config_of(folder: Path, *, trust: bool) -> Config:
    """The config that a run's folder holds, to be run in that folder.

    Args:
        folder: Folder of the run.
        trust: Whether modules that it names may be imported.

    Raises:
        DataError: It is no run folder.
        ConfigError: Its config.toml cannot be read by this version, or names modules and is not
            trusted.
    """
    about = read_about(folder)
    if not (folder / "config.toml").is_file():
        raise DataError(f"{folder} has no config.toml; is it the folder of a run?")
    config = read_config(read_preset(str(folder / "config.toml")))
    check_trust(config, folder, trust=trust)
    every = about.get("checkpoint_every", config.run.checkpoint_every)
    keep = bool(about.get("keep_client_state"))
    placed = dataclasses.replace(
        config.run, dir=str(folder), checkpoint_every=every, keep_client_state=keep
    )
    if config.run.start_from:
        check_files(folder, about, COPY)
        placed = dataclasses.replace(placed, start_from=str(folder / COPY))
    if about.get(EXTENDED):  # it may have been killed before its config.toml followed
        config = with_rounds(config, planned_rounds(folder, about))
    return dataclasses.replace(config, run=placed)


def last_engine(folder: Path) -> str:
    """The engine that carried a run when it ended."""
    about = read_about(folder)
    resumed = about.get("resumed") or [{}]
    return str(resumed[-1].get("engine") or about.get("engine"))


def where_it_goes_on(folder: Path, config: Config | None = None) -> list[str]:
    """What is said before a run goes on: after which round, and why not after a later one.

    Args:
        folder: Folder of the run.
        config: Its config with another number of rounds, if it is to go on to that.

    Raises:
        ConfigError: It cannot go on to that many rounds.
        DataError: The checkpoints are gone or damaged, or run.json is.
    """
    about = read_about(folder)
    status = about.get("status")
    if config is not None:
        check_rounds(folder, about, config.federation.rounds)
    elif status in COMPLETE:
        check_complete(folder, about)
        return [f"the run is {status} already: nothing to go on with"]
    if is_locked(folder) or last_engine(folder) == engine_of("local-only"):
        return []  # it will be refused
    checkpoint, damages = load_checkpoint(folder)
    if checkpoint is None:
        refuse_to_discard(folder)
        return ["no checkpoint was written yet: starting from the beginning"]
    lines = [*damages, f"the newest good checkpoint is that of round {checkpoint.round}"]
    is_other = config is not None and config.federation.rounds != planned_rounds(folder, about)
    if config is not None and (is_other or status in COMPLETE):
        lines += extension(folder, about, config, checkpoint).notes
    return lines


def start(config: Config, engine: str, **how: Unpack[How]) -> Path:
    """Run a config on the engine of a name as run.json has it, a baseline's included.

    Raises:
        ConfigError: A baseline would have workers or a cluster.
        FedrecError: The run failed.
    """
    if engine.startswith(BASELINE_ENGINE):
        kind = engine.removeprefix(BASELINE_ENGINE).rstrip(")")
        for name, value in (("--workers", how.get("workers")), ("--address", how.get("address"))):
            if value is not None:
                raise ConfigError(
                    f"{name} is for --engine ray; a {kind} baseline runs in one process, "
                    "leave it out"
                )
        on_round, on_wait = how.get("on_round", ignore), how.get("on_wait", ignore)
        return run_baseline(kind, config, Path(config.run.dir), on_round, on_wait)
    return run(config, engine=engine, **how)


def resume(
    folder: Path,
    *,
    engine: str | None,
    rounds: int | None = None,
    accept_code_change: bool = False,
    trust: bool = False,
    **how: Unpack[How],
) -> Path:
    """Go on with a run from its last good checkpoint, to the bytes of an uninterrupted run.

    Args:
        folder: Folder of the run.
        engine: Engine to resume with; if none is named, the last one of the run.
        rounds: Number of rounds in all to go on to, of a complete run or another; if none is given,
            what the run was to have.
        accept_code_change: Resume under other code or versions, and record it.
        trust: Import the modules that the run's config names, if any; they run with your rights.
        how: Options of the engine and callbacks, as ``run`` takes them.

    Raises:
        FedrecError: The run is complete, is another one, or cannot be resumed.
    """
    own = last_engine(folder)
    if own == engine_of("local-only") and engine not in (None, own):
        raise ConfigError(f"{folder}: {NO_RESUME}")
    config = config_of(folder, trust=trust)
    if rounds is not None:
        config = with_rounds(config, rounds)
        check_rounds(folder, read_about(folder), rounds)
    going_on = dataclasses.replace(
        config.run,
        resume=True,
        extend=rounds is not None,
        accept_code_change=accept_code_change,
    )
    return start(dataclasses.replace(config, run=going_on), engine or own, **how)
