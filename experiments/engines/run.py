"""Run a config on one engine: server and clients are the same, the transport differs."""

import contextlib
import dataclasses
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Required, TypedDict

from experiments.engines.ray import check_options, ray_grid
from fedrec.config.config import Config
from fedrec.config.keys import flatten
from fedrec.errors import ConfigError, DataError, FedrecError
from fedrec.factory.run_folder import run_path
from fedrec.runs.directory import check_room, has_run

if TYPE_CHECKING:
    from flwr.serverapp import Grid

ENGINES = ("flower", "inline", "ray")


class How(TypedDict, total=False):
    """How a run is carried and shown, as ``run`` takes it: what resume and verify pass on."""

    command: Required[str]
    workers: int | None
    address: str | None
    on_round: Callable[[dict[str, Any]], None]
    on_wait: Callable[[int, int], None]


def ignore(*seen: object) -> None:
    """Let a round, or a wait, pass without showing it."""


def run(
    config: Config,
    *,
    engine: str,
    command: str,
    workers: int | None = None,
    address: str | None = None,
    on_round: Callable[[dict[str, Any]], None] = ignore,
    on_wait: Callable[[int, int], None] = ignore,
) -> Path:
    """Run a federation and return its run folder.

    Args:
        config: Resolved config, with absolute paths.
        engine: "flower" (Flower's simulation on Ray, a service of its own), "ray" (workers of our
            own on Ray) or "inline" (this process).
        command: Command that repeats the run, for run.json.
        workers: Processes of engine "ray"; all usable cores when None.
        address: Address of a Ray cluster to attach to: "auto" or host:port.
        on_round: Callback, called with each line of rounds.jsonl.
        on_wait: Callback, called with the numbers of replies and messages while the run waits.

    Raises:
        FedrecError: The run failed; its exit code and one line that says why.
    """
    if engine not in ENGINES:
        raise ConfigError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")
    check_options(engine, workers, address)
    folder = run_path(config)
    check_room(folder, overwrite=config.run.overwrite, resume=config.run.resume)
    see_own_modules()

    from server.trackers.tracked import check_trackers

    check_trackers(config)

    from fedrec.factory.checks import check_fit
    from fedrec.factory.fit_defaults import fit_defaults

    config = fit_defaults(config)
    placed = dataclasses.replace(config, run=dataclasses.replace(config.run, dir=str(folder)))
    check_fit(placed)  # a faulty file ends the run here, before any engine has started
    if config.run.resume and has_run(folder):
        from server.checkpoints.resume import is_complete

        if is_complete(folder, placed):
            return folder
    with saying_how_to_go_on(folder):
        if engine == "flower":
            from experiments.engines.flower import run_on_flower

            return run_on_flower(placed, folder, command=command, on_round=on_round)
        with _grid(placed, engine, workers, address) as grid:
            from server.run import run_server

            return run_server(
                grid, placed, engine=engine, command=command, on_round=on_round, on_wait=on_wait
            )


def see_own_modules() -> None:
    """A module of the user's own, "package.module:name", lies where the command was typed."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))


@contextlib.contextmanager
def _grid(
    config: Config, engine: str, workers: int | None, address: str | None
) -> Iterator["Grid"]:
    if engine == "ray":
        with ray_grid(config, workers, address) as workers_grid:
            yield workers_grid
        return

    from clients.app import app
    from server.engines.inline import InlineGrid

    yield InlineGrid(app, config.partition.count, flatten(config))


@contextlib.contextmanager
def saying_how_to_go_on(folder: Path) -> Iterator[None]:
    """Add to whatever ends a run early how to go on with it, if it left a checkpoint."""
    try:
        yield
    except (FedrecError, KeyboardInterrupt) as error:
        is_users_own = isinstance(error, ConfigError | DataError)  # to be changed before that
        if not is_users_own and any((folder / "checkpoints").glob("round-*")):
            error.add_note(f"go on with: fedrec resume {shlex.quote(str(folder))}")
        raise
