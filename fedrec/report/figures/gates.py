"""Figure of the gate: how much each view of an item weighs."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from fedrec.report.figures import palette, style
from fedrec.report.figures.axes import rows_axis, with_count
from fedrec.report.figures.legend import Entry, add_legend
from fedrec.runs.record import Run

Floats = npt.NDArray[np.float64]


def gates(run: Run) -> style.Drawing | None:
    """Weights of the views by position, popularity and history, as stacked bars."""
    found = (run.metrics or {}).get("gates") or {}
    views = found.get("views") or []
    groups = {name: rows for name, rows in found.items() if name != "views" and rows}
    if not views or not groups:
        return None
    counts = [len(rows) for rows in groups.values()]
    longest = [max(3, *counts[first : first + 2]) for first in range(0, len(counts), 2)]
    height = 0.5 + sum(0.8 + 0.3 * most for most in longest)
    # Bars of one height in all panels.
    figure, axes_list = style.panels(len(longest), min(len(groups), 2), height, longest)
    for axes in axes_list[len(groups) :]:
        axes.remove()
    for place, (axes, (name, rows)) in enumerate(zip(axes_list, groups.items(), strict=False)):
        weights = np.array([row["weights"] for row in rows], dtype=np.float64)  # (slices, N)
        _stacked(axes, weights)
        axes.set_title(f"By {name}")
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.0f} %"))
        rows_axis(
            axes, [with_count(row, "items" if "items" in row else "positions") for row in rows]
        )
        axes.set_ylim(longest[place // 2] - 0.4, -0.6)
    legend = [
        Entry(str(view), _colour(place), "bar", hatch=_hatch(place))
        for place, view in enumerate(views)
    ]
    add_legend(figure, legend)
    return style.Drawing(
        name="gates",
        title="Gate weights",
        caption="How much each view of an item weighs in its vector, on average over what the "
        "model read to rank the test items: by position in the history, the oldest first, by "
        "events of the user's history, and by training events of the item; in brackets, positions. "
        "Over the whole catalogue: in each item by itself, as it is scored; in brackets, items. "
        "The weights of a row sum to 1.",
        figure=figure,
        legend=legend,
    )


def _colour(view: int) -> str:
    return palette.VIEW_COLOURS[view % len(palette.VIEW_COLOURS)]


def _hatch(view: int) -> str:
    return "" if view < len(palette.VIEW_COLOURS) else "//"


def _stacked(axes: Axes, weights: Floats) -> None:
    """Draw (slices, N) weights as stacked bars."""
    places = [float(place) for place in range(len(weights))]
    starts = np.cumsum(weights, axis=1) - weights
    for view in range(weights.shape[1]):
        colour = _colour(view)
        axes.barh(
            places,
            weights[:, view],
            left=starts[:, view],
            height=0.7,
            color=colour,
            edgecolor="white",
            hatch=_hatch(view),
        )
        dark = colour in (palette.BLUE, palette.GREEN, palette.VERMILION)
        for place, start, weight in zip(places, starts[:, view], weights[:, view], strict=True):
            if weight >= 0.075:
                axes.text(
                    start + weight / 2, place, f"{weight:.2f}", ha="center", va="center",
                    fontsize=8, color=palette.PAPER if dark else palette.ON_BARS,
                )  # fmt: skip
