"""Many runs on Flower's simulation: one service, and one run of Flower's per number of partitions.

Its ServerApp makes the runs one after the other.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from experiments.engines.flower import APP, POLL_SECONDS, run_status, submit, write_app
from experiments.engines.flower_service import service
from experiments.reproducibility.matrix.jobs import PLACE, Job, by_count, make_runs, read_jobs
from fedrec.errors import FedrecError

ROOT = Path(__file__).resolve().parents[3]
COUNT = "FEDREC_BATCH_COUNT"  # file in the batch's folder: how many partitions its runs have now
MODULE = "fedrec_batch"  # of the app, since Flower looks for components in the app's folder
# Flower looks for assignments in the text of the module.
COMPONENTS = """from experiments.reproducibility.matrix import flower, jobs

server = flower.server
clients = jobs.clients
"""

server = ServerApp()


@server.main()
def main(grid: Grid, context: Context) -> None:
    """Make the runs whose number of partitions is that of the SuperNodes."""
    place = Path(os.environ[PLACE])
    count = int((place / COUNT).read_text())
    make_runs([job for job in read_jobs(place) if job.count == count], "flower", lambda _: grid)


def run_on_flower(jobs: Sequence[Job], place: Path) -> None:
    """Make runs on Flower's engine.

    Raises:
        FedrecError: Flower ended before all of them had.
    """
    settings = {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), PLACE: str(place)}
    with (
        tempfile.TemporaryDirectory(prefix="fedrec-", ignore_cleanup_errors=True) as scratch,
        service(Path(scratch), settings) as running,
    ):
        for count, some in by_count(jobs):
            (place / COUNT).write_text(str(count))
            config = some[0].config()
            app = Path(scratch) / f"{count}" / APP
            write_app(app, config, some[0].folder, (f"{MODULE}:server", f"{MODULE}:clients"))
            (app / f"{MODULE}.py").write_text(COMPONENTS)
            run_id = submit(running, app, config)
            while not (status := run_status(running, run_id)).startswith("finished"):
                if running.process.poll() is not None:
                    raise FedrecError("Flower's service ended")
                time.sleep(10 * POLL_SECONDS)
            if not all(job.ended.exists() for job in some):
                raise FedrecError(
                    f"Flower ended as {status!r}: {running.log.read_text(errors='replace')[-2000:]}"
                )
