"""Flower's ServerApp: read the config of the run and run the server."""

import os
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from rich.console import Console

from fedrec.config.config import Config
from fedrec.config.keys import read_config
from fedrec.config.values.choices import DATASETS, sources_in
from fedrec.errors import ConfigError, MessageError
from fedrec.factory.run_folder import run_path
from fedrec.report.live import LiveRounds
from fedrec.report.tables import final_table
from fedrec.runs.record import read_run
from server.failure_line import tell_failures_in_one_line
from server.lifecycle.flower_service import service_of_simulation
from server.run import run_server

app = ServerApp()

SHOWN_WIDTH = 100  # columns; the service has no terminal to ask


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the server under `flwr run`; `flwr run --stream` shows what it prints."""
    tell_failures_in_one_line()
    config = read_config(context.run_config)
    _refuse_relative_paths(config)
    console = Console(width=SHOWN_WIDTH)
    shown = LiveRounds(console, config.evaluation.main_protocol, rounds=config.federation.rounds)
    with shown as rounds:
        try:
            folder = run_server(
                grid,
                config,
                engine="flower",
                command=_flower_command(config),
                on_round=rounds.add,
            )
        except MessageError as error:  # the clients run other code: it is their service's
            if not (service := service_of_simulation()):
                raise
            raise MessageError(f"{error} ({service})") from None
    console.print(final_table(read_run(folder)))
    console.print(f"report: {folder / 'report.html'}", markup=False, soft_wrap=True)


def _refuse_relative_paths(config: Config) -> None:
    """Refuse relative paths: Flower's service runs in a folder of its own."""
    given = {
        "run.dir": config.run.dir,
        "run.replay": config.run.replay,
        "run.start-from": config.run.start_from,
        "data.items": config.data.items,
        "evaluation.ncf-negatives": config.evaluation.ncf_negatives,
        "data.source": next(filter(_is_relative, sources_in(config.data.source)), ""),
        "semantics.encoder": config.semantics.encoder
        if config.semantics.encoder.startswith(".")
        else "",
    }
    for key, path in given.items():
        if path and not Path(path).is_absolute():
            raise ConfigError(f"{key} must be an absolute path under `flwr run`, got {path!r}")


def _is_relative(source: str) -> bool:
    """Whether a data source is a relative path, not a name of ours or "package.module:name"."""
    return source not in DATASETS and ":" not in source and not Path(source).is_absolute()


def _flower_command(config: Config) -> str:
    """Command that repeats the run: that of `fedrec run`, or Flower's own."""
    return os.environ.get("FEDREC_COMMAND") or (
        f"flwr run . --stream -c {run_path(config) / 'config.toml'} --federation-config "
        f'"num-supernodes={config.partition.count} client-resources-num-cpus=1"'
    )
