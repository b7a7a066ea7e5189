"""Figures of the end of a run: accuracy by user and item, gate weights, ranks."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from fedrec.report.figures import style
from fedrec.runs.record import Run, number

Floats = npt.NDArray[np.float64]


def history_length(run: Run) -> style.Drawing | None:
    """HR@10 against the number of events of a user, in bins of about equally many users."""
    if run.users is None or run.users.empty:
        return None
    events = run.users["events"].to_numpy(np.float64)
    hits = run.users["HR@10"].to_numpy(np.float64)
    bins = _equal_bins(events, hits)
    figure, (axes, count_axes) = style.panels(1, 2, height=3.1)
    middles = np.array([np.median(lengths) for lengths, _ in bins])
    means = np.array([values.mean() for _, values in bins])
    bounds = np.array([wilson(float(values.sum()), len(values)) for _, values in bins])
    errors = np.abs(bounds.T - means)
    for (lengths, _), mean in zip(bins, means, strict=True):
        axes.plot([lengths.min(), lengths.max()], [mean, mean], color=style.SKY, linewidth=5,
                  alpha=0.45, solid_capstyle="butt")  # fmt: skip
    axes.errorbar(middles, means, yerr=errors, fmt="o", color=style.BLUE, capsize=3, linewidth=1.3)
    axes.set_ylim(0, min(1.0, float(bounds.max()) * 1.1))
    axes.set_title(style.metric_title("HR@10", run.protocol))
    low, high = events.min(), events.max()
    edges = np.geomspace(max(low, 1) * 0.92, max(high, 1) * 1.08, 25)
    count_axes.hist(events, bins=edges.tolist(), color=style.MUTED, alpha=0.5, edgecolor="white")
    count_axes.set_title("Users")
    count_axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    for panel in (axes, count_axes):
        _log_axis(panel, float(edges[0]), float(edges[-1]))
        panel.set_xlabel("events of the user")
    return style.Drawing(
        name="history-length",
        title="Accuracy against history length",
        caption="Left: hit rate of the test item; a dot is the median length of its bin, the bar "
        "behind it the bin, the whisker a 95 % interval (Wilson). Right: how many users have how "
        "many events.",
        figure=figure,
    )


def wilson(hits: float, count: int, z: float = 1.959964) -> tuple[float, float]:
    """Bounds of a 95 % interval for a proportion; never empty, even at 0 or all hits.

    Wilson, JASA 22 (1927).
    """
    share, scale = hits / count, 1 + z**2 / count
    centre = (share + z**2 / (2 * count)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def _equal_bins(events: Floats, hits: Floats) -> list[tuple[Floats, Floats]]:
    """Users by length in up to ten bins; users of one length are never torn apart."""
    most = int(np.clip(len(events) // 25, 1, 10))
    edges = np.unique(np.quantile(events, np.linspace(0, 1, most + 1), method="lower"))
    numbers = np.searchsorted(edges[1:-1], events, side="right") if len(edges) > 2 else 0 * events
    return [(events[numbers == b], hits[numbers == b]) for b in np.unique(numbers)]


def slices(run: Run) -> style.Drawing | None:
    """Metrics per slice of users or items, with their intervals."""
    groups = {
        name: rows for name, rows in ((run.metrics or {}).get("slices") or {}).items() if rows
    }
    if not groups:
        return None
    most = sum(max(len(rows), 3) for rows in groups.values())
    figure, axes_list = style.panels(len(groups), 2, height=0.9 * len(groups) + 0.31 * most)
    for row, (name, rows) in enumerate(groups.items()):
        for column, metric in enumerate(style.METRICS):
            axes = axes_list[2 * row + column]
            _slice_bars(axes, rows, metric)
            axes.set_title(style.metric_title(metric, run.protocol, f" by {name}"))
            if column:
                axes.tick_params(labelleft=False)
    for column in range(len(style.METRICS)):  # one scale per metric, so that the slicings compare
        same = axes_list[column::2]
        right = max(axes.get_xlim()[1] for axes in same)
        for axes in same:
            axes.set_xlim(0, right)
    return style.Drawing(
        name="slices",
        title="Slices",
        caption="Test metrics by slice, with 95 % bootstrap intervals over users; the number of "
        "users in brackets. A dotted mark is what a random order of the candidates would get.",
        figure=figure,
    )


def _slice_bars(axes: Axes, rows: Sequence[Mapping[str, Any]], metric: str) -> None:
    places = [float(place) for place in range(len(rows))]
    cells = [row["metrics"].get(metric) for row in rows]
    values = [number(cell) or 0.0 for cell in cells]
    bounds = [_bounds(cell, value) for cell, value in zip(cells, values, strict=True)]
    errors = [[abs(v - b[side]) for v, b in zip(values, bounds, strict=True)] for side in (0, 1)]
    axes.barh(places, values, height=0.62, color=style.METRIC_COLOURS[metric], alpha=0.35)
    axes.errorbar(
        values,
        places,
        xerr=errors,
        fmt="none",
        ecolor=style.METRIC_COLOURS[metric],
        capsize=2.5,
        linewidth=1.3,
    )
    levels = [number((row.get("chance") or {}).get(metric)) for row in rows]
    for place, level in zip(places, levels, strict=True):
        if level:
            axes.vlines(level, place - 0.38, place + 0.38, color=style.INK, linestyle=":", zorder=4)
    right = max((high for _, high in bounds), default=0) or 1e-3
    for place, cell, value, (_, high), level in zip(
        places, cells, values, bounds, levels, strict=True
    ):
        words = "none" if cell is None else f"{value:.3f}"
        level = level or 0.0
        start = level if high <= level <= high + 0.18 * right else high  # not across the mark
        start += 0.025 * right
        axes.text(start, place, words, va="center", fontsize=8, color=style.INK, zorder=4)
    axes.set_xlim(0, right * 1.18)
    _rows_axis(axes, [_with_count(row, "users") for row in rows])


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
    handles: list[Artist] = []
    for axes in axes_list[len(groups) :]:
        axes.remove()
    for place, (axes, (name, rows)) in enumerate(zip(axes_list, groups.items(), strict=False)):
        weights = np.array([row["weights"] for row in rows], dtype=np.float64)  # (slices, N)
        handles = _stacked(axes, weights)
        axes.set_title(f"By {name}")
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.0f} %"))
        _rows_axis(
            axes, [_with_count(row, "items" if "items" in row else "positions") for row in rows]
        )
        axes.set_ylim(longest[place // 2] - 0.4, -0.6)
    figure.legend(handles, [_short(str(view)) for view in views], loc="outside lower center",
                  ncols=min(len(views), 6))  # fmt: skip
    return style.Drawing(
        name="gates",
        title="Gate weights",
        caption="How much each view of an item weighs in its vector, on average over what the "
        "model read to rank the test items: by place in what it read, the oldest first, by "
        "events of the user's history, and by training events of the item; in brackets, positions. "
        "Over the whole catalogue: in each item by itself, as it is scored; in brackets, items. "
        "The weights of a row sum to 1.",
        figure=figure,
    )


def _stacked(axes: Axes, weights: Floats) -> list[Artist]:
    """Draw (slices, N) weights as stacked bars; return one bar of each view for the legend."""
    places = [float(place) for place in range(len(weights))]
    starts = np.cumsum(weights, axis=1) - weights
    handles: list[Artist] = []
    for view in range(weights.shape[1]):
        colour = style.VIEW_COLOURS[view % len(style.VIEW_COLOURS)]
        bars = axes.barh(
            places,
            weights[:, view],
            left=starts[:, view],
            height=0.7,
            color=colour,
            edgecolor="white",
            hatch="" if view < len(style.VIEW_COLOURS) else "//",
        )
        handles.append(bars.patches[0])
        dark = colour in (style.BLUE, style.GREEN, style.VERMILION)
        for place, start, weight in zip(places, starts[:, view], weights[:, view], strict=True):
            if weight >= 0.075:
                axes.text(
                    start + weight / 2, place, f"{weight:.2f}", ha="center", va="center",
                    fontsize=8, color="white" if dark else style.INK,
                )  # fmt: skip
    return handles


def ranks(run: Run) -> style.Drawing | None:
    """Where the test items were ranked: users per doubling of the rank, and HR at any k."""
    if run.users is None or run.users.empty:
        return None
    found = run.users["rank"].to_numpy(np.float64)
    bins = np.ceil(np.log2(np.maximum(found, 1))).astype(np.int64)  # bin b holds 2^(b-1) < r <= 2^b
    shares = np.bincount(bins) / len(found)
    figure, (axes, hit_axes) = style.panels(1, 2, height=3.1)
    axes.bar(np.arange(len(shares)), shares, width=0.86, color=style.BLUE, alpha=0.45)
    ticks = np.arange(0, len(shares), 1 if len(shares) < 10 else 2)
    axes.set_xticks(ticks, [f"{2**b:,}" for b in ticks.tolist()])
    axes.grid(visible=False, axis="x")
    axes.set_title("Share of users")
    axes.set_xlabel("rank of the test item, up to")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.3g} %"))
    style.note(axes, f"median rank {np.median(found):,.0f}")
    ordered = np.sort(found)
    hit_axes.step(
        np.r_[ordered, max(ordered[-1], 10)],
        np.r_[np.arange(1, len(found) + 1) / len(found), 1.0],
        where="post",
        color=style.BLUE,
        linewidth=1.6,
    )
    rate = float((found <= 10).mean())
    hit_axes.plot([10], [rate], marker="o", markersize=6, color=style.VERMILION, clip_on=False)
    hit_axes.set_title(style.metric_title("HR@k", run.protocol))
    style.note(hit_axes, f"k = 10: {rate:.3f}")
    hit_axes.set_ylim(0, 1.02)
    _log_axis(hit_axes, 1, max(float(found.max()), 10))
    hit_axes.set_xlabel("k")
    return style.Drawing(
        name="ranks",
        title="Ranks of the test items",
        caption="Left: users by the rank of their held-out item, each bar twice as wide as the "
        "one before. Right: share of users whose item is among the first k.",
        figure=figure,
    )


def _with_count(row: Mapping[str, Any], key: str) -> str:
    """A slice and how many are in it, where the run tells."""
    label = _short(str(row["slice"]))
    return f"{label}  ({_compact(int(row[key]))})" if key in row else label


def _compact(count: int) -> str:
    """1,234 or 56k or 7.8M: what fits beside a bar."""
    if count < 10_000:
        return f"{count:,}"
    return f"{count / 1e3:.0f}k" if count < 999_500 else f"{count / 1e6:.1f}M"


def _bounds(cell: Any, value: float) -> tuple[float, float]:
    if not isinstance(cell, Mapping) or cell.get("low") is None or cell.get("high") is None:
        return value, value
    return float(cell["low"]), float(cell["high"])


def _rows_axis(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(np.arange(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)  # the first slice on top
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _log_axis(axes: Axes, low: float, high: float) -> None:
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


def _short(text: str, most: int = 28) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"
