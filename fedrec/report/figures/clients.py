"""Figures of the clients: how the final metrics and those of each round spread over them."""

import math

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import MaxNLocator

from fedrec.report.figures import palette, style
from fedrec.report.figures.axes import say_empty
from fedrec.report.figures.legend import Entry, add_legend
from fedrec.runs.record import Run, number

Floats = npt.NDArray[np.float64]

_MARKS = tuple(
    Entry(name, palette.INK, dash=dash)
    for name, dash in (
        ("p10", (2.0, 2.0)),
        ("p50", ()),
        ("p90", (5.0, 2.0)),
        ("worst decile", (1.0, 1.0)),
    )
)


def clients(run: Run) -> style.Drawing | None:
    """Histogram of the final metrics over partitions."""
    rows = (run.metrics or {}).get("clients") or []
    if not rows:
        return None
    figure, axes_pair = style.panels(1, 2, height=3.3)
    for axes, metric in zip(axes_pair, style.METRICS, strict=True):
        found = [number(row["metrics"].get(metric)) for row in rows]
        values = np.array([value for value in found if value is not None], dtype=np.float64)
        if not len(values):
            say_empty(axes)
            continue
        low, high = float(values.min()), float(values.max())
        margin = max((high - low) * 0.05, 0.005)
        bins = int(np.clip(round(2 * math.sqrt(len(values))), 5, 30))
        axes.hist(
            values,
            bins=np.linspace(low - margin, high + margin, bins + 1).tolist(),
            color=style.METRIC_COLOURS[metric],
            alpha=0.35,
            edgecolor="white",
        )
        summary = spread_of(values)
        for entry in _MARKS:
            dash = (0, entry.dash) if entry.dash else "-"
            axes.axvline(summary[entry.label], color=entry.colour, linestyle=dash, linewidth=1.5)
        axes.set_title(style.metric_title(metric, run.protocol), pad=24)
        words = "    ".join(f"{name} {value:.3f}" for name, value in summary.items())
        axes.text(
            0, 1.03, words, transform=axes.transAxes, fontsize=8, color=palette.MUTED, va="bottom"
        )
        axes.set_xlabel("mean over the users of a partition")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.set_ylabel("partitions")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
        axes.grid(visible=False, axis="x")
    add_legend(figure, _MARKS)
    return style.Drawing(
        name="clients",
        title="Distribution over clients",
        caption=f"Test metrics of the global model, one value for each partition ({len(rows)} in "
        "all). The worst decile is the mean of the lowest tenth of the partitions, "
        "at least one.",
        figure=figure,
        legend=_MARKS,
    )


def clients_over_rounds(run: Run) -> style.Drawing | None:
    """Band p10 to p90 over partitions against rounds."""
    records = [r for r in run.history if style.METRICS[0] in (r.get("clients") or {})]
    if not records:
        return None
    figure, axes_pair = style.panels(1, 2, height=3.2)
    for axes, metric in zip(axes_pair, style.METRICS, strict=True):
        points = [r for r in records if metric in r["clients"]]
        if not points:
            say_empty(axes)
            continue
        rounds = [r["round"] for r in points]
        colour = style.METRIC_COLOURS[metric]
        p10, p50, p90, worst = (
            [r["clients"][metric][key] for r in points]
            for key in ("p10", "p50", "p90", "worst_decile")
        )
        if len(rounds) == 1:
            axes.vlines(rounds, p10, p90, color=colour, alpha=0.3, linewidth=14, label="p10 to p90")
        else:
            axes.fill_between(
                rounds, p10, p90, color=colour, alpha=0.2, linewidth=0, label="p10 to p90"
            )
        marker = "o" if len(rounds) <= 40 else ""
        axes.plot(rounds, p50, color=colour, marker=marker, label="p50")
        axes.plot(
            rounds, worst, color=colour, linestyle=(0, (1, 1)), marker=marker, markersize=2.5,
            linewidth=1.3, label="worst decile",
        )  # fmt: skip
        axes.set_ylim(0, max(*p90, 1e-3) * 1.1)
        axes.set_title(style.metric_title(metric, run.protocol))
        axes.set_xlabel("round")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
        # Of its own: the metrics differ in colour, and so would a legend for both and their lines.
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=3)
    return style.Drawing(
        name="clients-rounds",
        title="Clients over the rounds",
        caption="Validation metrics of the global model over partitions: the band holds the "
        "middle 80 % of them.",
        figure=figure,
    )


def spread_of(values: Floats) -> dict[str, float]:
    """p10, p50, p90 and the mean of the lowest tenth (at least one) of (N,) values."""
    p10, p50, p90 = np.percentile(values, [10, 50, 90])
    worst = np.sort(values)[: max(1, len(values) // 10)].mean()
    return {"p10": float(p10), "p50": float(p50), "p90": float(p90), "worst decile": float(worst)}
