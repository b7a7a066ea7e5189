"""One look for every figure: colours that colour-blind readers tell apart, quiet axes, exact bytes.

Figures are built as objects, without pyplot and its global list of open figures.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from fedrec.evaluation.protocols import metric_label

# Okabe and Ito, "Color Universal Design" (2008).
BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
PURPLE, SKY = "#CC79A7", "#56B4E9"
INK, MUTED, FAINT = "#1F2933", "#5F6B7A", "#E4E8EE"
VIEW_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION)

PAGE_WIDTH = 9.6  # inches: about 920 CSS pixels, so 9 pt text is read at 12 px

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs on every machine
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a $ in a name is a dollar
    "axes.edgecolor": "#9AA5B1",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 8.5,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": "#9AA5B1",
    "ytick.color": "#9AA5B1",
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.8,
    "lines.markersize": 4,
    "svg.fonttype": "path",
    "svg.hashsalt": "fedrec",  # otherwise ids are random and no two files are equal
}


METRICS = ("HR@10", "NDCG@10")
METRIC_COLOURS = {"loss": INK, "HR@10": BLUE, "NDCG@10": VERMILION}


@dataclass(frozen=True)
class Drawing:
    """A figure with the name of its files and the words that go with it."""

    name: str
    title: str
    caption: str
    figure: Figure

    @cached_property
    def svg(self) -> bytes:
        """Rendered once: the file and the page hold the same picture."""
        return render(self.figure, "svg")


class ShownFigure(Figure):
    """A figure that a notebook cell shows, whether pyplot is loaded or not."""

    def _repr_png_(self) -> bytes:
        return render(self, "png")


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the house style, whatever the user's matplotlibrc says."""
    with matplotlib.style.context(["default", STYLE]):
        yield


def panels(
    rows: int, columns: int, height: float, ratios: Sequence[float] = ()
) -> tuple[Figure, list[Axes]]:
    """An empty figure of page width and its axes, row by row; call inside `house_style`.

    Args:
        rows: Rows of panels.
        columns: Columns of panels.
        height: Height of the figure, in inches.
        ratios: Relative height of each row; all the same if empty.
    """
    figure = ShownFigure(
        figsize=(PAGE_WIDTH, height),
        layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, wspace=0.04),
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, height_ratios=ratios or None)
    return figure, list(axes.flat)


def note(axes: Axes, text: str) -> None:
    """Small words at the upper right, outside the data, level with the first line of the title."""
    text += "\n" * axes.get_title(loc="left").count("\n")
    axes.set_title(text, loc="right", fontsize=8, fontweight="normal", color=MUTED, linespacing=2.0)


def label_lines(axes: Axes, lines: Sequence[tuple[float, str, str]]) -> None:
    """Label horizontal lines at the right of the axes, moved apart where they would collide.

    A label has two lines of text at most: in a panel of 2.2 inches that is an eighth of its height.

    Args:
        axes: Axes with their final y limits.
        lines: Height in data units, text, colour.
    """
    low, high = axes.get_ylim()
    wanted = sorted(((y - low) / (high - low), text, colour) for y, text, colour in lines)
    for height, (_, text, colour) in zip(
        spread([fraction for fraction, _, _ in wanted], gap=0.135), wanted, strict=True
    ):
        axes.text(
            1.02, height, text, color=colour, fontsize=8, va="center", transform=axes.transAxes
        )


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move sorted heights apart to at least `gap`, each as little as its neighbours allow."""
    groups = [[height] for height in heights]
    while True:
        # A group is a run of labels that touch: evenly spaced around the mean of their wishes.
        tops = [sum(g) / len(g) + gap * (len(g) - 1) / 2 for g in groups]
        starts = [sum(g) / len(g) - gap * (len(g) - 1) / 2 for g in groups]
        pairs = enumerate(pairwise(range(len(groups))))
        clash = next((i for i, (a, b) in pairs if starts[b] - tops[a] < gap - 1e-12), None)
        if clash is None:
            return [s + gap * i for s, g in zip(starts, groups, strict=True) for i in range(len(g))]
        groups[clash : clash + 2] = [groups[clash] + groups[clash + 1]]


def render(figure: Figure, kind: str) -> bytes:
    """The figure as "svg" or "png": the same bytes each time, no date or version inside."""
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    buffer = io.BytesIO()
    with house_style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a name in another script shows as boxes
        figure.savefig(buffer, format=kind, dpi=160, metadata=metadata, facecolor="white")
    return buffer.getvalue()


def metric_title(metric: str, protocol: str, suffix: str = "") -> str:
    """The metric, and below it how its candidates were sampled if they were."""
    return metric_label(metric + suffix, protocol).replace(" (", "\n(", 1)
