"""MLflow: a SQLite file under FEDREC_HOME, or the server that MLFLOW_TRACKING_URI names."""

import importlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from server.trackers.tracker import Beginning, Figures

DATABASE, ARTIFACTS = "mlflow.db", "mlflow-artifacts"  # under FEDREC_HOME
EXPERIMENT = "fedrec"
STATES = {"failed": "FAILED", "interrupted": "KILLED"}
LONGEST, MOST = 500, 100  # characters of a parameter, and how many go in one request


class MLflow:
    """Metrics by round, the config as parameters, the report as an artifact."""

    def __init__(self, run: Beginning) -> None:
        mlflow: Any = importlib.import_module("mlflow")
        self._entities: Any = importlib.import_module("mlflow.entities")
        run.home.mkdir(parents=True, exist_ok=True)
        address = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{run.home / DATABASE}"
        self._client = mlflow.MlflowClient(tracking_uri=address)
        if run.identity:
            self.identity = run.identity
            self._client.update_run(self.identity, status="RUNNING")
            return
        experiment = self._experiment(run.home)
        self.identity = self._client.create_run(experiment, run_name=run.name).info.run_id
        parameters = [
            self._entities.Param(key, str(value)[:LONGEST]) for key, value in run.config.items()
        ]
        for some in _in_parts(parameters):
            self._client.log_batch(self.identity, params=some)
        self._client.set_tag(self.identity, "folder", str(run.folder))

    def _experiment(self, home: Path) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        if (found := self._client.get_experiment_by_name(name)) is not None:
            return str(found.experiment_id)
        own = os.environ.get("MLFLOW_TRACKING_URI")  # a server knows where its artifacts go
        place = None if own else (home / ARTIFACTS).as_uri()
        return str(self._client.create_experiment(name, artifact_location=place))

    def add_round(self, number: int, figures: Figures) -> None:
        """Send the figures of a round; see ``Tracker``."""
        now = int(time.time() * 1000)
        metrics = [
            self._entities.Metric(plain_name(name), value, now, number)
            for name, value in figures.items()
        ]
        for some in _in_parts(metrics):
            self._client.log_batch(self.identity, metrics=some)

    def end(self, status: str, figures: Figures, report: Path | None) -> None:
        """Send the test metrics and the report; see ``Tracker``."""
        self.add_round(0, figures)
        if report is not None:
            self._client.log_artifact(self.identity, str(report))
        self._client.set_terminated(self.identity, status=STATES.get(status, "FINISHED"))


def plain_name(name: str) -> str:
    """The name of a metric in the letters that MLflow takes: NDCG@10 is NDCG_at_10."""
    known = name.replace("@", "_at_")
    return "".join(c if c.isalnum() or c in "_-./ :" else "_" for c in known)


def _in_parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[start : start + MOST] for start in range(0, len(items), MOST))
