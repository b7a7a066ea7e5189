"""One run on one engine: the same server and clients, other carriers of their messages."""

import dataclasses
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedrec.config import Config
from fedrec.config_keys import flatten
from fedrec.errors import ConfigError
from server.place import check_room, run_path

ENGINES = ("flower", "inline")


def ignore(record: dict[str, Any]) -> None:
    """Let a round pass without showing it."""


def run(
    config: Config,
    *,
    engine: str,
    command: str,
    on_round: Callable[[dict[str, Any]], None] = ignore,
) -> Path:
    """Run a federation and return its run folder.

    Args:
        config: resolved, with absolute paths.
        engine: "flower" (Flower's simulation on Ray, a service of its own) or "inline" (this
            process).
        command: what repeats the run, for run.json.
        on_round: called with each line of rounds.jsonl.

    Raises:
        FedrecError: the run failed; its exit code and one line that says why.
    """
    if engine not in ENGINES:
        raise ConfigError(f"--engine must be one of {', '.join(ENGINES)}, got {engine!r}")
    folder = run_path(config)
    check_room(folder, overwrite=config.run.overwrite)
    placed = dataclasses.replace(config, run=dataclasses.replace(config.run, dir=str(folder)))
    # A module of the user's own, "package.module:name", lies where the command was typed.
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))

    from fedrec.workbench import check_fit

    check_fit(placed)  # a faulty file ends the run here, before any engine has started
    if engine == "flower":
        from experiments.flower import run_on_flower

        return run_on_flower(placed, folder, command=command, on_round=on_round)

    from clients.app import app
    from server.app import serve
    from server.inline import InlineGrid

    # Flower's strategies log two lines a round between the rows of our table.
    logging.getLogger("flwr").setLevel(logging.WARNING)
    grid = InlineGrid(app, placed.partition.count, flatten(placed))
    return serve(grid, placed, engine=engine, command=command, on_round=on_round)
