"""The runs of a batch on one engine, and a clients' app that learns which of them goes on.

Clients read the config of the run that goes on from ``current.json``, where another engine would
have told them at its start; all else is as in a run of its own.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid

from clients.app import app
from experiments.engines.run import ignore
from fedrec.config.config import Config
from fedrec.config.keys import flatten, read_config
from fedrec.errors import FedrecError
from fedrec.factory.checks import check_fit
from fedrec.factory.fit_defaults import fit_defaults
from fedrec.files.atomic import write_file

PLACE = "FEDREC_BATCH"  # environment variable: the folder of the batch
JOBS, CURRENT = "jobs.json", "current.json"


@dataclass(frozen=True)
class Job:
    """A run to be made.

    Attributes:
        folder: Folder of the run, absolute.
        values: Keys that it sets.
    """

    folder: Path
    values: dict[str, Any]

    @property
    def count(self) -> int:
        """Number of partitions: an engine starts once for each."""
        return int(self.values["partition.count"])

    @property
    def ended(self) -> Path:
        """File that is there once the run has ended; it says why the run failed, if it did."""
        return self.folder.with_name(f"{self.folder.name}.ended")

    def config(self) -> Config:
        """Config of the run, fitted to its data."""
        return fit_defaults(read_config(self.values | {"run.dir": str(self.folder)}))


def write_jobs(place: Path, jobs: Sequence[Job]) -> None:
    """List the runs that a batch is to make."""
    listed = [{"folder": str(job.folder), "values": job.values} for job in jobs]
    write_file(place / JOBS, json.dumps(listed).encode())


def read_jobs(place: Path) -> list[Job]:
    """The runs of a batch that have not ended, those of as many partitions together."""
    listed = json.loads((place / JOBS).read_text())
    jobs = [Job(Path(one["folder"]), one["values"]) for one in listed]
    return sorted((job for job in jobs if not job.ended.exists()), key=lambda job: job.count)


class Clients(ClientApp):
    """The clients' app, with the config of the run that goes on."""

    def __call__(self, message: Message, context: Context) -> Message:
        """Reply to a message."""
        now = Context(  # Flower's own cannot be changed
            context.run_id,
            context.node_id,
            context.node_config,
            context.state,
            json.loads((Path(os.environ[PLACE]) / CURRENT).read_text()),
        )
        return app(message, now)


clients = Clients()


def make_runs(jobs: Sequence[Job], engine: str, grid_of: Callable[[Config], Grid]) -> None:
    """Make runs one after the other; one that fails does not stop the others."""
    import server.run

    # A report is drawn from what is compared, and takes three times as long as these runs.
    vars(server.run)["write_report"] = ignore
    for job in jobs:
        reason = ""
        try:
            config = job.config()
            check_fit(config)
            write_file(Path(os.environ[PLACE]) / CURRENT, json.dumps(flatten(config)).encode())
            server.run.run_server(
                grid_of(config),
                config,
                engine=engine,
                command="python -m experiments.reproducibility.matrix",
            )
        except FedrecError as error:
            reason = f"{type(error).__name__}: {error}"
        write_file(job.ended, reason.encode())


def by_count(jobs: Sequence[Job]) -> Iterator[tuple[int, list[Job]]]:
    """Number of partitions -> the runs that have as many."""
    for count, some in groupby(jobs, key=lambda job: job.count):
        yield count, list(some)
