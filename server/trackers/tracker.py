"""What a tracker is, and what it is told of a run when it begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fedrec.config.config import Value

Figures = Mapping[str, float]  # "validation/NDCG@10" -> value


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """A run as a tracker meets it.

    Attributes:
        name: Name of the run.
        folder: Folder of the run.
        home: Folder for what the tracker keeps of several runs: FEDREC_HOME.
        config: Every config key with its value, secrets hidden.
        identity: What the tracker called this run before it was interrupted; "" for a new run.
        completed: Last round that it was told of before; -1 for a new run.
    """

    name: str
    folder: Path
    home: Path
    config: Mapping[str, Value]
    identity: str
    completed: int


class Tracker(Protocol):
    """A tracker of one run, made from its ``Beginning``. Whatever it raises ends the tracker alone.

    Attributes:
        identity: Name by which a later process goes on with the same run in this tracker.
    """

    identity: str

    def add_round(self, number: int, figures: Figures) -> None:
        """Take the figures of a round."""

    def end(self, status: str, figures: Figures, report: Path | None) -> None:
        """Take the final figures and the report, and close.

        Args:
            status: Status of the run: done, degraded, failed or interrupted.
            figures: Test metrics; empty for a run without an end.
            report: Report.html; None where there is none.
        """
