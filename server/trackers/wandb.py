"""Weights & Biases: offline files under FEDREC_HOME, unless WANDB_MODE says otherwise."""

import importlib
import os
import shutil
from pathlib import Path
from typing import Any

from server.trackers.tracker import Beginning, Figures

PROJECT = "fedrec"


class WeightsAndBiases:
    """Metrics by round, the config, test metrics as summary, the report as a file."""

    def __init__(self, run: Beginning) -> None:
        wandb: Any = importlib.import_module("wandb")
        run.home.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            name=run.name,
            id=run.identity or None,
            resume="allow" if run.identity else None,
            dir=str(run.home),
            mode=os.environ.get("WANDB_MODE") or "offline",
            config=dict(run.config),
            settings=wandb.Settings(console="off", silent=True, disable_git=True),
        )
        self.identity = str(self._run.id)

    def add_round(self, number: int, figures: Figures) -> None:
        """Log the figures of a round; see ``Tracker``."""
        self._run.log(dict(figures), step=number)

    def end(self, status: str, figures: Figures, report: Path | None) -> None:
        """Log the test metrics and the report; see ``Tracker``."""
        self._run.summary.update({**figures, "status": status})
        if report is not None:
            copy = Path(self._run.dir) / report.name  # of its own: the page may be written anew
            shutil.copyfile(report, copy)
            self._run.save(str(copy), base_path=self._run.dir, policy="now")
        self._run.finish(exit_code=int(status in ("failed", "interrupted")))
