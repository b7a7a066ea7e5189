"""Axes with named rows or a logarithmic scale, labels that fit beside bars, many points."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import (
    FixedFormatter,
    FixedLocator,
    FuncFormatter,
    MaxNLocator,
    NullLocator,
)

from fedrec.report.figures.palette import MUTED

Floats = npt.NDArray[np.float64]

MOST = 300  # points of one panel: each takes 100 bytes of a page that stays under a megabyte
_BINS = 10


def with_count(row: Mapping[str, Any], key: str) -> str:
    """A slice and how many are in it, where the run tells."""
    label = short(str(row["slice"]))
    return f"{label}  ({_compact(int(row[key]))})" if key in row else label


def _compact(count: int) -> str:
    """1,234 or 56k or 7.8M: what fits beside a bar."""
    if count < 10_000:
        return f"{count:,}"
    return f"{count / 1e3:.0f}k" if count < 999_500 else f"{count / 1e6:.1f}M"


def bounds_of(cell: Any, value: float) -> tuple[float, float]:
    """Lower and upper bound of a metric's interval; the value itself without one."""
    if not isinstance(cell, Mapping) or cell.get("low") is None or cell.get("high") is None:
        return value, value
    return float(cell["low"]), float(cell["high"])


def rows_axis(axes: Axes, labels: Sequence[str]) -> None:
    """A y axis whose ticks are named rows, the first on top."""
    axes.set_yticks(np.arange(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)  # the first slice on top
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def log_axis(axes: Axes, low: float, high: float) -> None:
    """A log x axis with plain numbers at 1, 2, 5, 10, ..., thinned to what fits."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [m * 10**e for e in range(9) for m in (1, 2, 5) if low <= m * 10**e <= high]
    if len(ticks) < 2:
        ticks = sorted({math.ceil(low), math.floor(high)})
    if len(ticks) > 8:
        ticks = [t for t in ticks if str(t).startswith("1")]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([f"{tick:,}" for tick in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())


def size_axis(axes: Axes, sizes: Sequence[float]) -> None:
    """An x axis for sizes: logarithmic where the largest is many times the smallest."""
    low, high = max(min(sizes), 1), max(*sizes, 2)
    if high > 5 * low:
        log_axis(axes, 0.9 * low, 1.1 * high)
        return
    margin = 0.06 * (high - low) or 1
    axes.set_xlim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))


def short(text: str, most: int = 28) -> str:
    """A text in one line of at most ``most`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def say_empty(axes: Axes) -> None:
    """Words in the middle of axes that have nothing to show."""
    axes.text(0.5, 0.5, "nothing yet", ha="center", va="center", transform=axes.transAxes,
              color=MUTED)  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])


def thinned(values: Floats) -> tuple[Floats, Floats]:
    """Places and values of (N,) sorted values, at most ``MOST`` of them, both ends included."""
    places = np.arange(len(values), dtype=np.float64)
    if len(values) > MOST:
        places = np.unique(np.linspace(0, len(values) - 1, MOST).round())
    return places, values[places.astype(np.int64)]


def against_size(axes: Axes, sizes: Floats, values: Floats, colour: str) -> str:
    """Draw (N,) values against sizes: a dot each, or of many the middle 80 % of each bin.

    Returns:
        What a mark is, for the caption.
    """
    if len(values) <= MOST:
        axes.plot(sizes, values, "o", color=colour, markersize=5, alpha=0.8)
        return "a dot is a client"
    edges = np.unique(np.quantile(sizes, np.linspace(0, 1, _BINS + 1), method="lower"))
    bins = np.searchsorted(edges[1:-1], sizes, side="right")
    groups = [bins == number for number in np.unique(bins)]
    spread = np.array([np.percentile(values[group], [10, 50, 90]) for group in groups])
    low, middle, high = spread.T
    axes.errorbar(
        [float(np.median(sizes[group])) for group in groups],
        middle,
        yerr=np.stack([middle - low, high - middle]),
        fmt="o",
        color=colour,
        capsize=3,
        linewidth=1.3,
    )
    return "a dot is the median of clients of about one size, its whisker the middle 80 %"
