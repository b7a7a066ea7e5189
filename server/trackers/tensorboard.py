"""TensorBoard: event files in the run folder, so that one ``--logdir`` shows all runs below it."""

import importlib
from pathlib import Path
from typing import Any

from fedrec.config.keys import toml_value
from server.trackers.tracker import Beginning, Figures

FOLDER = "tensorboard"  # in the run folder


class TensorBoard:
    """Scalars of each round, the config as text, test metrics at the last round."""

    identity = FOLDER

    def __init__(self, run: Beginning) -> None:
        writer: Any = importlib.import_module("torch.utils.tensorboard").SummaryWriter
        # What was written of rounds that a resumed run repeats is hidden.
        purged = run.completed + 1 if run.identity else None
        self._writer = writer(log_dir=str(run.folder / FOLDER), purge_step=purged)
        rows = [f"| {key} | `{toml_value(value)}` |" for key, value in run.config.items()]
        self._writer.add_text("config", "\n".join(["| key | value |", "|---|---|", *rows]))
        self._last = max(0, run.completed)

    def add_round(self, number: int, figures: Figures) -> None:
        """Write the scalars of a round; see ``Tracker``."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, number)
        self._writer.flush()
        self._last = number

    def end(self, status: str, figures: Figures, report: Path | None) -> None:
        """Write the test metrics; TensorBoard keeps no files, so the report stays where it is."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, self._last)
        self._writer.add_text("status", status)
        self._writer.close()
