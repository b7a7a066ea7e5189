"""Figure of how unlike the clients are: how much each holds, how far its tastes are from all."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fedrec.evaluation.spread import divergences
from fedrec.randomness import generator
from fedrec.report.figures import palette, style
from fedrec.report.figures.axes import size_axis
from fedrec.report.figures.many import against_size, thinned
from fedrec.runs.checksums import check_files
from fedrec.runs.record import Run

Floats = npt.NDArray[np.float64]

ROWS = 40  # clients that have a bar of their own
_DRAWS = 20  # of each size, dealt from all events
_SIZES = 12


def heterogeneity(run: Run) -> style.Drawing | None:
    """Training targets of each client, and the divergence of its items from those of all."""
    parts = run.about.get("partitions") or []
    is_user = (run.config.get("federation") or {}).get("unit") == "user"
    if len(parts) < 2 or is_user:  # sizes of users alone stand under their histories
        return None
    targets = np.array([part.get("targets") or 0 for part in parts], dtype=np.float64)
    tastes = [(part["targets"], part["taste_divergence"]) for part in parts
              if part.get("taste_divergence") is not None]  # fmt: skip
    figure, axes = style.panels(1, 2 if tastes else 1, height=3.1)
    _sizes(axes[0], parts, targets)
    told = (
        f"Left: training targets of each of {len(parts):,} clients, from most to least; "
        f"{_times(targets)}."
    )
    if tastes:
        told += _tastes(axes[1], run, np.array(tastes, dtype=np.float64))
    return style.Drawing(
        name="heterogeneity",
        title="How unlike the clients are",
        caption=told if tastes else told.replace("Left: training", "Training"),
        figure=figure,
    )


def _times(targets: Floats) -> str:
    """How unequal the sizes are, in words."""
    least, most = targets.min(), targets.max()
    if least == most:
        return "all hold the same"
    if not least:
        return f"the largest holds {most:,.0f}, the smallest none"
    digits = 1 if most < 10 * least else 0
    return f"the largest holds {most / least:,.{digits}f} times the smallest"


def _sizes(axes: Axes, parts: list[Any], targets: Floats) -> None:
    order = np.argsort(-targets, kind="stable")
    if len(parts) <= ROWS:
        axes.bar(np.arange(len(parts)), targets[order], width=0.8, color=palette.BLUE, alpha=0.5)
    else:
        axes.fill_between(*thinned(targets[order]), color=palette.BLUE, alpha=0.5, linewidth=0)
        axes.set_ylim(bottom=0)
    if len(parts) <= ROWS // 2:
        axes.set_xticks(range(len(parts)), [str(parts[place]["partition"]) for place in order])
        axes.set_xlabel("client")
    else:
        axes.set_xlabel("clients, by size")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    axes.grid(visible=False, axis="x")
    axes.set_title("Training targets")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:,.0f}")


def _tastes(axes: Axes, run: Run, found: Floats) -> str:
    """Draw (C, 2) sizes and divergences; return words for the caption."""
    sizes, values = found.T
    mark = against_size(axes, sizes, values, palette.VERMILION)
    told = (
        " Right: how far the items of its training events are from those of all clients, as "
        "Jensen-Shannon divergence in bits: 0 for the same shares, 1 for no item in common; "
        f"{mark}."
    )
    dealt = _dealt(run, sizes)
    if dealt is not None:
        axes.plot(*dealt, color=palette.MUTED, linestyle=(0, (4, 2)), linewidth=1.3,
                  label="dealt at random")  # fmt: skip
        axes.legend(loc="upper right")
        told += (
            " Few events are unlike all by chance: the dashed line is what as many events have "
            "that are dealt at random."
        )
    axes.set_ylim(0, 1.25 * max(values.max(), 1e-3 if dealt is None else dealt[1].max()))
    axes.set_title("Divergence of tastes, bits")
    axes.set_xlabel("training targets of the client")
    size_axis(axes, sizes.tolist())
    return told


def _dealt(run: Run, sizes: Floats) -> tuple[Floats, Floats] | None:
    """Sizes, and the mean divergence of as many events that are dealt from all at random."""
    path = run.folder / "items.csv"
    if not path.exists():
        return None
    check_files(run.folder, run.about, "items.csv")
    table = pd.read_csv(path)
    if "training_events" not in table or not table["training_events"].sum():
        return None
    counts = table["training_events"].to_numpy(np.float64)
    at = np.unique(np.geomspace(max(sizes.min(), 1), sizes.max(), _SIZES).round())
    rng = generator(0, "report", "heterogeneity")
    means = [
        divergences(rng.multinomial(int(size), counts / counts.sum(), _DRAWS), counts).mean()
        for size in at
    ]
    return at, np.array(means)
