"""Axes with named rows or a logarithmic scale, and labels that fit beside bars."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import (
    FixedFormatter,
    FixedLocator,
    FuncFormatter,
    MaxNLocator,
    NullLocator,
)

from fedrec.report.figures.palette import MUTED


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
