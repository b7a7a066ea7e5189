"""Figures of a comparison: validation curves overlaid, with bands over seeds, and differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fedrec.evaluation.metrics import Floats
from fedrec.report.comparison.groups import Group
from fedrec.report.figures import palette, style
from fedrec.report.figures.axes import rows_axis, short
from fedrec.report.figures.legend import Entry, add_legend
from fedrec.report.ranks import MAIN
from fedrec.report.references import BASELINE_ENGINE
from fedrec.runs.plain_text import plain
from fedrec.runs.record import Record, Run, number

WIDTH = 4.0  # inches: half a page, so that a phone shows the text large enough
LABEL = 42  # letters of a legend's line
DASHES: tuple[tuple[float, ...], ...] = ((), (4.0, 2.0), (1.0, 1.0))
# Field of a round's record -> name of the file, axis label.
ALONG = {
    "round": ("rounds", "round"),
    "elapsed": ("seconds", "seconds since the start"),
    "megabytes": ("megabytes", "training traffic of all clients, MB"),
}
_CAPTION = (
    "Validation of the model of each round. A line is the mean over the seeds of a group and its "
    "band reaches from the lowest to the highest seed, at the rounds that all of them evaluated. "
    "A group that has no such curve is a horizontal line at the weights that it kept."
)


@dataclass(frozen=True, eq=False)
class Curve:
    """The validation of one group.

    Attributes:
        xs: (R,) mean over seeds of rounds, seconds or megabytes.
        values: (S, R) the metric of each seed.
    """

    xs: Floats
    values: Floats


def curve(group: Group, along: str) -> Curve | None:
    """The main validation metric of a group; None where there are fewer than two points.

    Args:
        group: Runs of one config.
        along: Field of a round's record: "round", "elapsed" or "megabytes".
    """
    each = [_points(run, along) for run in group.runs.values()]
    rounds = sorted(set.intersection(*({*points} for points in each)))
    if len(rounds) < 2:
        return None
    xs = np.array([[points[r][0] for r in rounds] for points in each])
    if not xs.any():  # nothing travels in one place
        return None
    return Curve(xs.mean(axis=0), np.array([[points[r][1] for r in rounds] for points in each]))


def _points(run: Run, along: str) -> dict[int, tuple[float, float]]:
    """Round -> where it lies along the axis, and its metric."""
    if along == "round" and run.round_word != "round":
        return {}
    if along == "megabytes" and str(run.about.get("engine", "")).startswith(BASELINE_ENGINE):
        return {}  # nothing travels in one place
    found = {}
    for record in run.history:
        value = (record.get("validation") or {}).get(MAIN)
        if value is not None and record.get(along) is not None:
            found[int(record["round"])] = (float(record[along]), float(value))
    return found


def drawings(groups: Sequence[Group], pairs: Sequence[Record], metric: str) -> list[style.Drawing]:
    """The curves against rounds, seconds and megabytes, and the differences.

    Args:
        groups: Runs by config.
        pairs: Figures of each pair.
        metric: Metric whose differences are drawn.
    """
    with style.house_style():
        found = [_curves(groups, along) for along in ALONG]
        rows = [row for row in pairs if row["metric"] == metric]
        return [*(one for one in found if one), *([_differences(rows, metric)] if rows else ())]


def _curves(groups: Sequence[Group], along: str) -> style.Drawing | None:
    curves = [curve(group, along) for group in groups]
    if not any(curves):
        return None
    words, unit = ALONG[along]
    figure, axes = _panel(2.9 + 0.19 * len(groups))
    highest, legend = 1e-3, []
    for group, found, (colour, dashes) in zip(groups, curves, _looks(len(groups)), strict=True):
        entry, dash = Entry(plain(group.label), colour, dash=dashes), (0, dashes) if dashes else "-"
        if found is None:
            kept = [number(run.validation.get(MAIN)) for run in group.runs.values()]
            values = [value for value in kept if value is not None]
            if values:
                level = float(np.mean(values))
                axes.axhline(level, color=colour, linestyle=dash, linewidth=1.2)
                legend.append(entry)
                highest = max(highest, level)
            continue
        low, high = found.values.min(axis=0), found.values.max(axis=0)
        axes.fill_between(found.xs, low, high, color=colour, alpha=0.16, linewidth=0)
        axes.plot(found.xs, found.values.mean(axis=0), color=colour, linestyle=dash)
        legend.append(entry)
        highest = max(highest, float(high.max()))
    axes.set_ylim(0, highest * 1.08)
    axes.set_xlim(left=0)
    axes.set_xlabel(unit)
    axes.set_title(f"Validation {style.metric_title(MAIN, groups[0].protocol)}")
    is_whole = along == "round"
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=is_whole, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.5g}"))
    add_legend(figure, legend)
    return style.Drawing(
        name=f"curves-{words}",
        title=f"Validation against {words}",
        caption=_CAPTION if is_whole else "The same curves.",
        figure=figure,
        legend=legend,
    )


def _differences(rows: Sequence[Record], metric: str) -> style.Drawing:
    figure, axes = _panel(1.4 + 0.45 * len(rows))
    rows_axis(axes, [""] * len(rows))
    axes.axvline(0, color=palette.INK, linewidth=1.0)
    for place, row in enumerate(rows):
        value = row["difference"]
        whiskers = [[value - row["low"]], [row["high"] - value]]
        axes.errorbar([value], [place], xerr=whiskers, color=palette.BLUE, fmt="o", capsize=3)
        axes.annotate(
            short(plain(row["group"]), LABEL),
            (0, place),
            (2, 9),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            fontsize=8.5,
            color=palette.INK,
            bbox={"facecolor": palette.PAPER, "edgecolor": "none", "pad": 1.0},
        )
    axes.set_ylim(len(rows) - 0.5, -0.8)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.set_title(f"Difference of {metric}")
    bases = list(dict.fromkeys(row["against"] for row in rows))
    above = short(plain(bases[0]), LABEL) if len(bases) == 1 else "the group it is compared with"
    axes.set_xlabel(f"above {above}")
    return style.Drawing(
        name="differences",
        title="Differences",
        caption="Paired by user, with 95 % intervals; left of the line the group is below, right "
        "of it above.",
        figure=figure,
    )


def _panel(height: float) -> tuple[Figure, Axes]:
    """One panel of half a page's width."""
    figure, (axes,) = style.panels(1, 1, height=height)
    figure.set_figwidth(WIDTH)
    return figure, axes


def _looks(count: int) -> list[tuple[str, tuple[float, ...]]]:
    """A colour and a dash for each group; no two alike up to 18."""
    colours = cycle(palette.VIEW_COLOURS)
    return [
        (next(colours), DASHES[n // len(palette.VIEW_COLOURS) % len(DASHES)]) for n in range(count)
    ]
