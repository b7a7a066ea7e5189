"""Other runs beside a run: the colour of each, and what of it can be drawn along the same axis."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedrec.report.figures import palette
from fedrec.runs.record import Run, number

DASHES = ((4.0, 2.0), (1.0, 1.0), (6.0, 2.0, 1.0, 2.0))
ALONE = "baseline ("  # how run.json names the engine of what is trained in one place
Points = list[tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Beside:
    """A baseline or another run.

    Attributes:
        name: How the report calls it.
        colour: Its colour in every panel of every figure.
        dash: Dashes of its line where it has no curve.
        is_repeated: Whether another one has the same colour, so that curves need dashes, too.
        metrics: Its final metrics by stage.
        run: Its record, or none of a baseline that the run has measured itself.
    """

    name: str
    colour: str
    dash: tuple[float, ...]
    is_repeated: bool
    metrics: Mapping[str, Any]
    run: Run | None

    def level(self, metric: str) -> float | None:
        """A validation metric of the weights that it kept."""
        return number((self.metrics.get("validation") or {}).get(metric))

    def curve(self, run: Run, metric: str, along: str) -> Points:
        """A validation metric along the axis of another run; empty where it has no such curve."""
        return self._points(run, along, lambda r: (r.get("validation") or {}).get(metric))

    def losses(self, run: Run, along: str) -> Points:
        """The training loss along the axis of another run, if both minimise the same loss."""
        if self.run is None or self.run.config.get("loss") != run.config.get("loss"):
            return []
        return self._points(run, along, lambda r: r.get("train_loss"))

    def is_curve(self, run: Run, along: str) -> bool:
        """Whether any metric has a curve along the axis of another run."""
        return bool(self._points(run, along, lambda r: r.get("validation") and 0.0))

    def _points(self, run: Run, along: str, value: Any) -> Points:
        if self.run is None or self.run.round_word != run.round_word:
            return []
        if along.endswith("megabytes") and str(self.run.about.get("engine")).startswith(ALONE):
            return []  # nothing travels in one place
        found = [
            (float(record[along]), float(value(record)))
            for record in self.run.history
            if value(record) is not None and record.get(along) is not None
        ]
        return found if len(found) > 1 and found[-1][0] > 0 else []


def beside(run: Run) -> list[Beside]:
    """Everything that stands beside a run, in the order of its tables."""
    baselines = (run.metrics or {}).get("baselines") or {}
    others = [name for name in baselines if name not in palette.BASELINES]
    found = []
    for name, metrics in baselines.items():
        turn = others.index(name) if name in others else 0
        times, place = divmod(turn, len(palette.OTHERS))
        found.append(
            Beside(
                name=name,
                colour=palette.BASELINES.get(name, palette.OTHERS[place]),
                dash=DASHES[times % len(DASHES)],
                is_repeated=times > 0,
                metrics=metrics,
                run=run.references.get(name),
            )
        )
    return found
