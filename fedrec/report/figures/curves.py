"""Figures of a run in time: how it converged, beside other runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fedrec.report.figures import palette, style
from fedrec.report.figures.axes import say_empty, short
from fedrec.report.figures.beside import Beside, beside
from fedrec.report.figures.legend import Entry, add_legend
from fedrec.runs.record import Run

Floats = npt.NDArray[np.float64]

_DIRECT, _NAME = 6, 16  # other runs, and letters of each, that fit beside their lines
_CAPTIONS = {
    "round": "Convergence against rounds",
    "megabytes": "Accuracy against traffic",
}


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
    """Training loss and validation metrics against "round" or "megabytes", beside other runs."""
    evaluated = [r for r in run.history if r.get("validation")]
    trained = [r for r in run.history if r.get("train_loss") is not None]
    if not evaluated and not trained:
        return None
    if against == "megabytes" and trained and not any(r[against] for r in run.history):
        return None  # nothing travels in a local-only baseline
    along, unit = _axis(run, against)
    others = beside(run)
    figure, (loss_axes, *metric_axes) = style.panels(1, 3, height=3.1)
    _curve(loss_axes, trained, along, [r["train_loss"] for r in trained])
    for other in others:
        if losses := other.losses(run, along):
            _line(loss_axes, other, losses)
    loss_axes.set_title("Training loss")
    for axes, metric in zip(metric_axes, style.METRICS, strict=True):
        points = [r for r in evaluated if metric in r["validation"]]
        values = [r["validation"][metric] for r in points]
        _curve(axes, points, along, values)
        _scale(axes, values)
        axes.set_title(style.metric_title(metric, run.protocol))
        _mark_best(axes, run, points, along, values)
        _draw_others(axes, run, others, metric, along)
    furthest = _furthest(run, others, along)
    for axes in (loss_axes, *metric_axes):
        axes.set_xlim(-0.03 * furthest, 1.03 * furthest)
        axes.set_xlabel(unit)
        if against == "round":
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
        else:
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=1))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.5g}"))
    legend = _legend(run, others, along)
    if legend:
        add_legend(figure, legend)
    return style.Drawing(
        name=f"convergence-{'rounds' if against == 'round' else 'megabytes'}",
        title=_CAPTIONS[against],
        caption=_caption(run, others, along),
        figure=figure,
        legend=legend,
    )


def _axis(run: Run, against: str) -> tuple[str, str]:
    """Field of a round's record that points lie along, and the words below the axis."""
    if against == "round":
        return against, run.round_word
    is_each = any(r.get("client_megabytes") for r in run.history)
    unit = "training traffic, MB" + (" a client" if is_each else "")
    return "client_megabytes" if is_each else "megabytes", unit


def _curve(axes: Axes, records: Sequence[Mapping[str, Any]], along: str, values: list[Any]) -> None:
    """The curve of the run itself."""
    if not records:
        say_empty(axes)
        return
    xs = [float(r[along]) for r in records]
    marker = "o" if len(xs) <= 40 else ""
    axes.plot(xs, values, color=palette.OWN, marker=marker, clip_on=False, zorder=3)


def _scale(axes: Axes, values: Sequence[float]) -> None:
    """A y axis from 0 that holds some values with a margin; one point stands in sight."""
    if values:
        high = max(*values, 1e-3) * 1.12 if len(values) > 1 else values[0] * 1.3 + 1e-3
        axes.set_ylim(0, high)


def _mark_best(
    axes: Axes,
    run: Run,
    records: Sequence[Mapping[str, Any]],
    along: str,
    values: list[float],
) -> None:
    for record, value in zip(records, values, strict=True):
        if record["round"] == run.best_round:
            axes.plot(
                [record[along]],
                [value],
                marker="o",
                markersize=9,
                markerfacecolor="none",
                markeredgecolor=palette.OWN,
                markeredgewidth=1.6,
                clip_on=False,
                zorder=4,
            )
            style.note(axes, f"{run.round_word} {record['round']}: {value:.3f}")


def _draw_others(axes: Axes, run: Run, others: Sequence[Beside], metric: str, along: str) -> None:
    """Other runs as curves, or as lines at what they reached; each with its value at the right."""
    labels, highest = [], 0.0
    for other in others:
        level, points = other.level(metric), other.curve(run, metric, along)
        if points:
            _line(axes, other, points)
            highest = max(highest, *(1.08 * y for _, y in points))
        elif level is not None:
            axes.axhline(
                level, color=other.colour, linestyle=(0, other.dash), linewidth=1.3, zorder=2
            )
        if level is not None:
            words = f"{level:.3f}"
            if len(others) <= _DIRECT:
                words = f"{short(other.name, _NAME)}\n{words}"
            labels.append((level, words, other.colour))
            highest = max(highest, 1.08 * level)
    if labels:
        axes.set_ylim(0, max(axes.get_ylim()[1], highest))
        style.label_lines(axes, labels, gap=0.15 if len(others) <= _DIRECT else 0.075)


def _line(axes: Axes, other: Beside, points: Sequence[tuple[float, float]]) -> None:
    xs, ys = zip(*points, strict=True)
    dash = (0, other.dash) if other.is_repeated else "-"
    axes.plot(xs, ys, color=other.colour, linestyle=dash, linewidth=1.4, zorder=2.5)


def _furthest(run: Run, others: Sequence[Beside], along: str) -> float:
    """The last round or megabyte of all that is drawn."""
    ends = [float(r[along]) for r in run.history]
    for other in others:
        ends += [points[-1][0] for metric in style.METRICS
                 if (points := other.curve(run, metric, along))]  # fmt: skip
    return max(ends) or 1.0


def _legend(run: Run, others: Sequence[Beside], along: str) -> list[Entry]:
    """Names in full, where whole runs or long names stand beside the run."""
    if not any(other.run or len(other.name) > _NAME for other in others):
        return []
    return [
        Entry("this run", palette.OWN),
        *(
            Entry(
                other.name,
                other.colour,
                dash=other.dash if other.is_repeated or not other.is_curve(run, along) else (),
            )
            for other in others
        ),
    ]


def _caption(run: Run, others: Sequence[Beside], along: str) -> str:
    whose = "each client's own" if run.no_model else "the global"
    counts = {record.get("validation_users") for record in run.history} - {None}
    users = f"{counts.pop():,}" if len(counts) == 1 else "all"
    told = (
        "Loss is the mean over the targets trained in a round; the metrics are those of "
        f"{whose} model on the validation items of {users} evaluated users. A ring marks the "
        "round whose weights were kept. Dashed lines are baselines, by the weights that they kept."
    )
    drawn = [other for other in others if other.is_curve(run, along)]
    if not drawn:
        return told
    told += " Other runs with a history are curves; their number is that of the kept weights."
    if any(other.name == "centralised" for other in drawn):
        told += " A round of the centralised one is a pass over all data."
    return told
