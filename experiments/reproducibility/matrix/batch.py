"""Make many runs on one engine that starts once: a start takes longer than a small run.

``python -m experiments.reproducibility.matrix.batch ENGINE FOLDER`` makes the runs that
``FOLDER/jobs.json`` lists. That processes live through many runs makes it harder: what one run left
in them must not show in the next.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from clients.app import app
from experiments.engines.ray import ray_of_our_own
from experiments.reproducibility.matrix.flower import run_on_flower
from experiments.reproducibility.matrix.jobs import PLACE, Job, by_count, make_runs, read_jobs
from fedrec.config.keys import flatten

CLIENTS = "experiments.reproducibility.matrix.jobs:clients"


def _inline(jobs: Sequence[Job]) -> None:
    from server.engines.inline import InlineGrid

    make_runs(
        jobs,
        "inline",
        lambda config: InlineGrid(app, config.partition.count, flatten(config)),
    )


def _on_ray(jobs: Sequence[Job], workers: int) -> None:
    with ray_of_our_own(jobs[0].config(), workers, "the same command goes on"):
        from server.engines.ray_grid import RayGrid

        for count, some in by_count(jobs):
            grid = RayGrid(CLIENTS, count, {}, min(workers, count))
            try:
                make_runs(some, "ray", lambda _, grid=grid: grid)  # type: ignore[misc]  # mypy cannot infer a default
            finally:
                grid.close()


def main(engine: str, place: Path) -> None:
    """Make the runs of a batch that have not ended.

    Args:
        engine: "inline", "ray x1" (or another number of workers) or "flower".
        place: Folder of the batch.
    """
    os.environ[PLACE] = str(place)
    jobs = read_jobs(place)
    if not jobs:
        return
    if engine == "inline":
        _inline(jobs)
    elif engine == "flower":
        run_on_flower(jobs, place)
    else:
        _on_ray(jobs, int(engine.removeprefix("ray x")))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve())
