"""Figure of what each client gains from the federation over training alone."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fedrec.report.figures import palette, style
from fedrec.report.figures.axes import size_axis
from fedrec.report.figures.many import against_size, thinned
from fedrec.runs.record import Run, number

Floats = npt.NDArray[np.float64]

LOCAL, METRIC = "local-only", "NDCG@10"
LABELLED = 20  # clients that are named below their bars


def gains(run: Run) -> style.Drawing | None:
    """NDCG@10 of each client above what it reaches alone; needs a local-only reference."""
    local = run.references.get(LOCAL)
    if local is None:
        return None
    is_user = (run.config.get("federation") or {}).get("unit") == "user"
    names, sizes, found = _of_users(run, local) if is_user else _of_partitions(run, local)
    if len(found) < 2:
        return None
    whose = "users" if is_user else "clients"
    figure, (axes, size_axes) = style.panels(1, 2, height=3.1)
    _sorted(axes, [] if is_user else names, found, whose, run)
    mark = against_size(size_axes, sizes, found, palette.BLUE)
    size_axes.axhline(0, color=palette.INK, linewidth=1.0)
    size_axes.set_title("Gain by size")
    size_axis(size_axes, sizes.tolist())
    size_axes.set_xlabel("events of the user" if is_user else "training targets of the client")
    better, worse = int((found > 0).sum()), int((found < 0).sum())
    what = "how long its history is" if is_user else "what the client holds"
    return style.Drawing(
        name="gains",
        title="Gain over training alone",
        caption=f"Test {METRIC} of the global model less that of a model that the same client "
        f"trained alone. Of {len(found):,} {whose}, {better:,} gain and {worse:,} lose; the mean "
        f"gain is {found.mean():+.4f}. Right: the same against {what}; {mark}.",
        figure=figure,
    )


def _of_partitions(run: Run, local: Run) -> tuple[list[str], Floats, Floats]:
    own, alone = _by_partition(run), _by_partition(local)
    held = {p["partition"]: p.get("targets") or 0 for p in run.about.get("partitions") or []}
    both = [partition for partition in own if partition in alone and partition in held]
    found = np.array([own[partition] - alone[partition] for partition in both])
    sizes = np.array([held[partition] for partition in both], dtype=np.float64)
    return [str(partition) for partition in both], sizes, found


def _by_partition(run: Run) -> dict[int, float]:
    rows = (run.metrics or {}).get("clients") or []
    found = {row["partition"]: number(row["metrics"].get(METRIC)) for row in rows}
    return {partition: value for partition, value in found.items() if value is not None}


def _of_users(run: Run, local: Run) -> tuple[list[str], Floats, Floats]:
    tables = [one.users for one in (run, local)]
    if any(table is None or "user" not in table for table in tables):
        return [], np.empty(0), np.empty(0)
    own, alone = (table.set_index("user") for table in tables if table is not None)
    both = own.index.intersection(alone.index)
    difference = own.loc[both, METRIC] - alone.loc[both, METRIC]
    sizes = own.loc[both, "events"].to_numpy(np.float64)
    return [], sizes, difference.to_numpy(np.float64)


def _sorted(axes: Axes, names: list[str], found: Floats, whose: str, run: Run) -> None:
    """Bars from the least gain to the largest: what is lost in one colour, gained in another."""
    order = np.argsort(found, kind="stable")
    places, values = thinned(found[order])
    for sign, colour in ((-1, palette.VERMILION), (1, palette.BLUE)):
        part = np.where(sign * values > 0, values, 0.0)
        if len(found) <= 60:
            axes.bar(places, part, width=0.8, color=colour, alpha=0.55)
        else:
            axes.fill_between(places, part, color=colour, alpha=0.55, linewidth=0)
    axes.axhline(0, color=palette.INK, linewidth=1.0)
    axes.grid(visible=False, axis="x")
    axes.set_title(style.metric_title(f"Gain in {METRIC}", run.protocol))
    if names and len(names) <= LABELLED:
        axes.set_xticks(places, [names[place] for place in order])
        axes.set_xlabel("client")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
        axes.set_xlabel(f"{whose}, from least to largest gain")
