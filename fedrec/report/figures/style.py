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
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from fedrec.evaluation.protocols import metric_label
from fedrec.report.figures.legend import Entry
from fedrec.report.figures.palette import BLUE, EDGE, FAINT, INK, MUTED, VERMILION

# Inches by the number of columns: on a phone, a panel is as wide as the screen and its text is
# read at 10 px or more; on a desk, all columns together are as wide as the page.
WIDTHS = {1: 4.4, 2: 7.8, 3: 9.6}
_ROOM = 3.0  # points around a panel that is shown alone


STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs on every machine
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a $ in a name is a dollar
    "axes.edgecolor": EDGE,
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
    "xtick.color": EDGE,
    "ytick.color": EDGE,
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
METRIC_COLOURS = {"HR@10": BLUE, "NDCG@10": VERMILION}

Box = tuple[float, float, float, float]  # left, top, width, height


@dataclass(frozen=True)
class Drawing:
    """A figure with the name of its files and the words that go with it.

    Attributes:
        name: Name of its files.
        title: What it shows.
        caption: How it is to be read.
        figure: The drawn panels.
        legend: What its colours stand for, where the panels do not say it themselves; the figure
            has it as ``add_legend`` drew it, a page as text.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    legend: Sequence[Entry] = ()

    @property
    def columns(self) -> int:
        """Panels side by side."""
        spec = self.figure.axes[0].get_subplotspec()
        return spec.get_gridspec().ncols if spec else 1

    @property
    def svg(self) -> bytes:
        """Rendered once: the file and the page hold the same picture."""
        return self.drawn[0]

    @cached_property
    def drawn(self) -> tuple[bytes, list[Box]]:
        """The SVG, and in its coordinates the box of each panel with all that belongs to it."""
        svg = render(self.figure, "svg")
        with house_style():
            return svg, _boxes(self.figure)


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
    rows: int, columns: int, height: float, ratios: Sequence[float] = (), width: float = 0
) -> tuple[Figure, list[Axes]]:
    """An empty figure and its axes, row by row; call inside `house_style`.

    Args:
        rows: Rows of panels.
        columns: Columns of panels.
        height: Height of the figure, in inches.
        ratios: Relative height of each row; all the same if empty.
        width: Width of the figure, in inches; that of its columns if 0.
    """
    figure = ShownFigure(
        figsize=(width or WIDTHS[columns], height),
        layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, wspace=0.04),
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, height_ratios=ratios or None)
    return figure, list(axes.flat)


def _boxes(figure: Figure) -> list[Box]:
    """Where the panels lie after a drawing, in points from the upper left; a row has one height."""
    dots, figure.dpi = figure.dpi, 72  # as the SVG was drawn: the ticks are those of it
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call] # no stub
    found = [axes.get_tightbbox(renderer) for axes in figure.axes]
    figure.dpi, whole = dots, figure.get_figheight() * 72
    rows = [axes.get_position().y0 for axes in figure.axes]
    boxes = []
    for box, row in zip(found, rows, strict=True):
        alike = [one for one, other in zip(found, rows, strict=True) if abs(other - row) < 0.01]
        top = whole - max(one.y1 for one in alike if one)
        bottom = whole - min(one.y0 for one in alike if one)
        left, right = (box.x0, box.x1) if box else (0.0, 1.0)
        boxes.append((left - _ROOM, top - _ROOM, right - left + 2 * _ROOM,
                      bottom - top + 2 * _ROOM))  # fmt: skip
    return boxes


def note(axes: Axes, text: str) -> None:
    """Small words at the upper right, outside the data, level with the first line of the title."""
    text += "\n" * axes.get_title(loc="left").count("\n")
    axes.set_title(text, loc="right", fontsize=8, fontweight="normal", color=MUTED, linespacing=2.0)


def label_lines(axes: Axes, lines: Sequence[tuple[float, str, str]], gap: float = 0.15) -> None:
    """Label horizontal lines at the right of the axes, moved apart where they would collide.

    A label has two lines of text at most: in a panel of 2.2 inches that is an eighth of its height.

    Args:
        axes: Axes with their final y limits.
        lines: Height in data units, text, colour.
        gap: Height of a label, as a part of the panel's.
    """
    low, high = axes.get_ylim()
    wanted = sorted(((y - low) / (high - low), text, colour) for y, text, colour in lines)
    for height, (_, text, colour) in zip(
        spread([fraction for fraction, _, _ in wanted], gap=gap), wanted, strict=True
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
        _lay_out(figure)
        figure.savefig(buffer, format=kind, dpi=160, metadata=metadata, facecolor="white")
    return buffer.getvalue()


def _lay_out(figure: Figure) -> None:
    """Place the panels once, by the letters of SVG; ``savefig`` would do so for every file.

    It would also draw all there is to no effect before it draws.
    """
    engine = figure.get_layout_engine()
    if engine is None:
        return
    dots, figure.dpi = figure.dpi, 72  # of SVG
    FigureCanvasSVG(figure)
    engine.execute(figure)
    figure.set_layout_engine(None)
    FigureCanvasAgg(figure)
    figure.dpi = dots


def metric_title(metric: str, protocol: str, suffix: str = "") -> str:
    """The metric, and below it how its candidates were sampled if they were."""
    return metric_label(metric + suffix, protocol).replace(" (", "\n(", 1)
