"""The coordinator: from a config and a Grid to a run folder with a report."""

import json
import logging
import os
import signal
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import Strategy
from rich.console import Console

from fedrec.config import DATASETS, Config, names_in
from fedrec.config_keys import read_config
from fedrec.data.catalog import Catalog
from fedrec.data.store import open_catalog
from fedrec.errors import ConfigError, DataError, FedrecError
from fedrec.evaluation.metrics import check_cutoffs
from fedrec.home import home
from fedrec.models.parameters import arrays_of, groups_of
from fedrec.models.recommender import Recommender
from fedrec.report.history import read_run
from fedrec.report.live import LiveRounds
from fedrec.report.page import write_report
from fedrec.report.tables import final_table
from fedrec.workbench import make_model, open_table
from server.census import take_census
from server.checkpoints import save_checkpoint
from server.folder import RunFolder
from server.outcome import finish, reference_metrics, run_facts
from server.place import run_path
from server.rounds import federate
from server.selection import cohort_size
from server.state import Federation, State
from server.strategies import check_cohort, make_strategy

app = ServerApp()

SHOWN_WIDTH = 100  # columns; the service has no terminal to ask

OnRound = Callable[[dict[str, Any]], None]


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Flower's door to the server; what it prints is what `flwr run --stream` shows."""
    config = read_config(context.run_config)
    _refuse_relative_paths(config)
    console = Console(width=SHOWN_WIDTH)
    with LiveRounds(console, config.evaluation.main_protocol) as rounds:
        folder = serve(
            grid,
            config,
            engine="flower",
            command=_flower_command(config),
            on_round=rounds.add,
        )
    console.print(final_table(read_run(folder)))
    console.print(f"report: {folder / 'report.html'}", markup=False, soft_wrap=True)


def serve(
    grid: Grid,
    config: Config,
    *,
    engine: str,
    command: str,
    on_round: OnRound | None = None,
    scorer: str = "model",
) -> Path:
    """Run a whole federation over any Grid; return the run folder.

    Args:
        grid: carries the messages.
        config: of the run.
        engine: name of what carries them, for the record.
        command: that repeats the run, for the record.
        on_round: called with each line of rounds.jsonl.
        scorer: "model", or "popularity" for a run that only counts.

    Raises:
        FedrecError: after run.json says that the run failed, and why.
    """
    # Flower's strategies log three lines a round between the rows of the table.
    logging.getLogger("flwr").setLevel(logging.WARNING)
    strategy = make_strategy(config.strategy.name, config.strategy.options)
    check_cohort(strategy, cohort_size(config.partition.count, config.federation.fraction))
    torch.set_num_threads(1)  # the sum over replies must not depend on the number of cores
    folder = RunFolder(run_path(config), config, engine=engine, command=command)
    try:
        _run(grid, config, strategy, folder, on_round, scorer)
    except BaseException as error:
        folder.fail(error, _exit_code(error))
        raise
    write_report(folder.path)
    return folder.path


def _run(
    grid: Grid,
    config: Config,
    strategy: Strategy,
    folder: RunFolder,
    on_round: OnRound | None,
    scorer: str,
) -> None:
    census = take_census(grid, config.partition.count, config.federation.round_timeout)
    catalog, manifest = _catalogue(census.data_hash)
    check_cutoffs(config.evaluation.cutoffs, catalog.num_items)
    table = open_table(config, catalog)
    if table is not None and table.sha256 != census.table_hash:
        raise DataError(
            "the clients hold another table of meanings than the server; their encoder or "
            "semantics.* differ"
        )
    frequency = (
        np.zeros(catalog.num_items + 1, dtype=np.int64) if census.counts is None else census.counts
    )
    model = make_model(config, catalog, table, frequency)
    folder.describe(**run_facts(config, census, catalog, manifest, table, model))
    state = State(_initial_weights(config, model))
    federation = Federation(grid, strategy, config, census, uuid.uuid4().hex, frequency, scorer)
    references = reference_metrics(federation, state, manifest)

    def record(line: dict[str, Any], state: State) -> None:
        folder.add_round(line)
        if line["best"]:
            folder.save_weights(state.best)
        if line["round"] and line["round"] % config.run.checkpoint_every == 0:
            save_checkpoint(folder.path, line["round"], state, strategy)
        if on_round is not None:
            on_round(line)

    federate(federation, state, record)
    finish(federation, state, folder, catalog, model, references)


def _catalogue(data_hash: str) -> tuple[Catalog, dict[str, Any]]:
    """The catalogue of the data that the clients hold: never an interaction."""
    for manifest_path in sorted((home() / "prepared").glob("*/manifest.json")):
        try:
            manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # another dataset's folder, half-made or damaged, is not ours to judge
        if manifest.get("data_hash") == data_hash:
            return open_catalog(manifest_path.parent)[0], manifest
    raise DataError(
        f"the catalogue of the clients' data ({data_hash[:16]}) is not under "
        f"{home() / 'prepared'}; copy manifest.json and catalog.json of their prepared folder there"
    )


def _initial_weights(config: Config, model: Recommender) -> dict[str, np.ndarray]:
    shared = groups_of(model, names_in(config.model.private)).shared
    return {name: array.astype(np.float64) for name, array in arrays_of(model, shared).items()}


def _refuse_relative_paths(config: Config) -> None:
    """Flower's service runs in a folder of its own, where a relative path means something else."""
    given = {
        "run.dir": config.run.dir,
        "data.items": config.data.items,
        "evaluation.ncf-negatives": config.evaluation.ncf_negatives,
        "data.source": config.data.source if _is_path(config.data.source) else "",
        "semantics.encoder": config.semantics.encoder
        if config.semantics.encoder.startswith(".")
        else "",
    }
    for key, path in given.items():
        if path and not Path(path).is_absolute():
            raise ConfigError(f"{key} must be an absolute path under `flwr run`, got {path!r}")


def _is_path(source: str) -> bool:
    """Whether a data source is a path: a name of ours and "package.module:name" are not."""
    return source not in DATASETS and ":" not in source


def _flower_command(config: Config) -> str:
    """What repeats the run: the command that `fedrec run` was given, or Flower's own."""
    return os.environ.get("FEDREC_COMMAND") or (
        f"flwr run . --stream -c {run_path(config) / 'config.toml'} --federation-config "
        f'"num-supernodes={config.partition.count} client-resources-num-cpus=1"'
    )


def _exit_code(error: BaseException) -> int:
    if isinstance(error, FedrecError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        # The command line makes SIGTERM an interruption with an exit code of its own.
        return int(getattr(error, "exit_code", 128 + signal.SIGINT))
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code
    return 1
