"""Figures of a run in time: how it converged, and how its clients spread."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fedrec.report.figures import style
from fedrec.runs.record import Run, number

BASELINE_COLOURS = {
    "popularity": style.MUTED,
    "local-only": style.ORANGE,
    "centralised": style.PURPLE,
    "oracle": style.GREEN,
}

Floats = npt.NDArray[np.float64]


def convergence_by_round(run: Run) -> style.Drawing | None:
    """Training loss and validation metrics against rounds."""
    return convergence(run, "round")


def convergence_by_traffic(run: Run) -> style.Drawing | None:
    """Training loss and validation metrics against megabytes sent."""
    return convergence(run, "megabytes")


def figure_of(run: Run, against: str) -> Figure | None:
    """The figure of ``convergence`` alone, in the house style; None where there is nothing yet."""
    with style.house_style():
        drawing = convergence(run, against)
    return None if drawing is None else drawing.figure


def convergence(run: Run, against: str) -> style.Drawing | None:
    """Training loss and validation metrics against "round" or "megabytes"."""
    evaluated = [r for r in run.history if r.get("validation")]
    trained = [r for r in run.history if r.get("train_loss") is not None]
    if not evaluated and not trained:
        return None
    if against == "megabytes" and trained and not any(r[against] for r in run.history):
        return None  # nothing travels in a local-only baseline
    along, unit = against, run.round_word
    if against == "megabytes":
        is_each = any(r.get("client_megabytes") for r in run.history)
        along = "client_megabytes" if is_each else "megabytes"
        unit = "training traffic, MB" + (" a client" if is_each else "")
    whose = "each client's own" if run.no_model else "the global"
    figure, (loss_axes, *metric_axes) = style.panels(1, 3, height=3.1)
    _curve(loss_axes, trained, along, [r["train_loss"] for r in trained], "loss")
    loss_axes.set_title("Training loss")
    for axes, metric in zip(metric_axes, style.METRICS, strict=True):
        points = [r for r in evaluated if metric in r["validation"]]
        values = [r["validation"][metric] for r in points]
        _curve(axes, points, along, values, metric)
        axes.set_title(style.metric_title(metric, run.protocol))
        _mark_best(axes, run, points, along, values, style.METRIC_COLOURS[metric])
        _draw_baselines(axes, run, metric)
    furthest = max(float(r[along]) for r in run.history) or 1.0
    for axes in (loss_axes, *metric_axes):
        axes.set_xlim(-0.03 * furthest, 1.03 * furthest)
        axes.set_xlabel(unit)
        if against == "round":
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
        else:
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=1))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.5g}"))
    words = "rounds" if against == "round" else "megabytes sent"
    counts = {record.get("validation_users") for record in run.history} - {None}
    number = f"{counts.pop():,}" if len(counts) == 1 else "all"
    return style.Drawing(
        name=f"convergence-{'rounds' if against == 'round' else 'megabytes'}",
        title=f"Convergence against {words}",
        caption="Loss is the mean over the targets trained in a round; the metrics are those of "
        f"{whose} model on the validation items of {number} evaluated users. A ring marks the "
        "round whose weights were kept. Dashed lines are baselines, by the weights that they kept.",
        figure=figure,
    )


def _curve(
    axes: Axes, records: Sequence[Mapping[str, Any]], against: str, values: list[float], what: str
) -> None:
    if not records:
        _say_empty(axes)
        return
    xs = [float(r[against]) for r in records]
    marker = "o" if len(xs) <= 40 else ""
    axes.plot(xs, values, color=style.METRIC_COLOURS[what], marker=marker, clip_on=False, zorder=3)
    if what != "loss":
        axes.set_ylim(0, max(*values, 1e-3) * 1.12 if len(values) > 1 else values[0] * 1.3 + 1e-3)


def _mark_best(
    axes: Axes,
    run: Run,
    records: Sequence[Mapping[str, Any]],
    against: str,
    values: list[float],
    colour: str,
) -> None:
    for record, value in zip(records, values, strict=True):
        if record["round"] == run.best_round:
            axes.plot(
                [record[against]],
                [value],
                marker="o",
                markersize=9,
                markerfacecolor="none",
                markeredgecolor=colour,
                markeredgewidth=1.6,
                clip_on=False,
                zorder=4,
            )
            style.note(axes, f"{run.round_word} {record['round']}: {value:.3f}")


def _draw_baselines(axes: Axes, run: Run, metric: str) -> None:
    baselines = (run.metrics or {}).get("baselines") or {}
    lines = []
    for name, parts in baselines.items():
        value = number((parts.get("validation") or {}).get(metric))
        if value is not None:
            colour = BASELINE_COLOURS.get(name, style.SKY)
            axes.axhline(value, color=colour, linestyle=(0, (4, 2)), linewidth=1.3, zorder=2)
            lines.append((value, f"{name}\n{value:.3f}", colour))
    if lines:
        axes.set_ylim(0, max(axes.get_ylim()[1], *(1.08 * value for value, _, _ in lines)))
        style.label_lines(axes, lines)


# ---------------------------------------------------------------------------------- clients


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
            _say_empty(axes)
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
        dashes: tuple[Any, ...] = ((0, (2, 2)), "-", (0, (5, 2)), (0, (1, 1)))
        for (name, value), dash in zip(summary.items(), dashes, strict=True):
            axes.axvline(value, color=style.INK, linestyle=dash, linewidth=1.5, label=name)
        axes.set_title(style.metric_title(metric, run.protocol), pad=24)
        words = "    ".join(f"{name} {value:.3f}" for name, value in summary.items())
        axes.text(
            0, 1.03, words, transform=axes.transAxes, fontsize=8, color=style.MUTED, va="bottom"
        )
        axes.set_xlabel("mean over the users of a partition")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.set_ylabel("partitions")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
        axes.grid(visible=False, axis="x")
        _legend_below(figure, axes)
    return style.Drawing(
        name="clients",
        title="Distribution over clients",
        caption=f"Test metrics of the global model, one value for each partition ({len(rows)} in "
        "all). The worst decile is the mean of the lowest tenth of the partitions, "
        "at least one.",
        figure=figure,
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
            _say_empty(axes)
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


def _legend_below(figure: Figure, axes: Axes) -> None:
    """One legend for all panels, under them."""
    if not figure.legends:
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def _say_empty(axes: Axes) -> None:
    axes.text(0.5, 0.5, "nothing yet", ha="center", va="center", transform=axes.transAxes,
              color=style.MUTED)  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])
