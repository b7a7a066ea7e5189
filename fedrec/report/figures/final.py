"""Figures of the final test: accuracy by slice and by history length, ranks of the test items."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fedrec.report.figures import palette, style
from fedrec.report.figures.axes import bounds_of, log_axis, rows_axis, with_count
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
        axes.plot([lengths.min(), lengths.max()], [mean, mean], color=palette.SKY, linewidth=5,
                  alpha=0.45, solid_capstyle="butt")  # fmt: skip
    axes.errorbar(
        middles, means, yerr=errors, fmt="o", color=palette.BLUE, capsize=3, linewidth=1.3
    )
    axes.set_ylim(0, min(1.0, float(bounds.max()) * 1.1))
    axes.set_title(style.metric_title("HR@10", run.protocol))
    low, high = events.min(), events.max()
    edges = np.geomspace(max(low, 1) * 0.92, max(high, 1) * 1.08, 25)
    count_axes.hist(events, bins=edges.tolist(), color=palette.MUTED, alpha=0.5, edgecolor="white")
    count_axes.set_title("Users")
    count_axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    for panel in (axes, count_axes):
        log_axis(panel, float(edges[0]), float(edges[-1]))
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
    bounds = [bounds_of(cell, value) for cell, value in zip(cells, values, strict=True)]
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
            axes.vlines(
                level, place - 0.38, place + 0.38, color=palette.INK, linestyle=":", zorder=4
            )
    right = max((high for _, high in bounds), default=0) or 1e-3
    for place, cell, value, (_, high), level in zip(
        places, cells, values, bounds, levels, strict=True
    ):
        words = "none" if cell is None else f"{value:.3f}"
        level = level or 0.0
        start = level if high <= level <= high + 0.18 * right else high  # not across the mark
        start += 0.025 * right
        axes.text(start, place, words, va="center", fontsize=8, color=palette.INK, zorder=4)
    axes.set_xlim(0, right * 1.18)
    rows_axis(axes, [with_count(row, "users") for row in rows])


def ranks(run: Run) -> style.Drawing | None:
    """Where the test items were ranked: users per doubling of the rank, and HR at any k."""
    if run.users is None or run.users.empty:
        return None
    found = run.users["rank"].to_numpy(np.float64)
    bins = np.ceil(np.log2(np.maximum(found, 1))).astype(np.int64)  # bin b holds 2^(b-1) < r <= 2^b
    shares = np.bincount(bins) / len(found)
    figure, (axes, hit_axes) = style.panels(1, 2, height=3.1)
    axes.bar(np.arange(len(shares)), shares, width=0.86, color=palette.BLUE, alpha=0.45)
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
        color=palette.BLUE,
        linewidth=1.6,
    )
    rate = float((found <= 10).mean())
    hit_axes.plot([10], [rate], marker="o", markersize=6, color=palette.VERMILION, clip_on=False)
    hit_axes.set_title(style.metric_title("HR@k", run.protocol))
    style.note(hit_axes, f"k = 10: {rate:.3f}")
    hit_axes.set_ylim(0, 1.02)
    log_axis(hit_axes, 1, max(float(found.max()), 10))
    hit_axes.set_xlabel("k")
    return style.Drawing(
        name="ranks",
        title="Ranks of the test items",
        caption="Left: users by the rank of their held-out item, each bar twice as wide as the "
        "one before. Right: share of users whose item is among the first k.",
        figure=figure,
    )
