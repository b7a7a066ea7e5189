"""Figure of who took part in which round."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fedrec.report.figures import palette, style
from fedrec.report.figures.legend import Entry, add_legend
from fedrec.runs.record import Record, Run, sampled_and_aggregated

CELLS = 1500  # clients x rounds that are drawn one by one: each takes 100 bytes of a page
ROWS = 40

_TOOK_PART = Entry("aggregated", palette.BLUE, "bar")
_EXCLUDED = Entry("sampled, but excluded", palette.VERMILION, "bar")


def participation(run: Run) -> style.Drawing | None:
    """Clients that were aggregated or excluded in each round; counts where there are many."""
    lines = [line for line in run.history if line["round"] > 0]
    if run.no_model or not any(sampled_and_aggregated(line)[0] for line in lines):
        return None
    if any(line.get("users") for line in lines):
        return _counted(run, lines, "users")
    known = {part["partition"] for part in run.about.get("partitions") or []}
    clients = sorted(known.union(*(line.get("sampled") or [] for line in lines)))
    if len(clients) < 2:
        return None
    if len(clients) > ROWS or len(clients) * len(lines) > CELLS:
        return _counted(run, lines, "clients")
    return _grid(lines, clients)


def _grid(lines: list[Record], clients: list[int]) -> style.Drawing:
    """A mark for each client and round, and how often each client took part."""
    height = 1.35 + 0.17 * max(len(clients), 4)
    figure, (axes, times) = style.panels(1, 2, height=height)
    places = {client: place for place, client in enumerate(clients)}
    marks: dict[Entry, list[tuple[int, int]]] = {_TOOK_PART: [], _EXCLUDED: []}
    for line in lines:
        took_part = set(line.get("aggregated") or [])
        for client in line.get("sampled") or []:
            entry = _TOOK_PART if client in took_part else _EXCLUDED
            marks[entry].append((line["round"], places[client]))
    legend = [entry for entry, points in marks.items() if points]
    for entry in legend:
        xs, ys = zip(*marks[entry], strict=True)
        axes.plot(xs, ys, "s", color=entry.colour, markersize=_side(lines, clients))
    _rows(axes, clients)
    axes.set_xlim(lines[0]["round"] - 0.6, lines[-1]["round"] + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.set_xlabel("round")
    axes.set_ylabel("client")
    axes.set_title("Who took part")
    counts = np.bincount([place for _, place in marks[_TOOK_PART]], minlength=len(clients))
    times.barh(np.arange(len(clients)), counts, height=0.7, color=palette.BLUE, alpha=0.5)
    _rows(times, clients)
    times.set_title("Rounds aggregated")
    times.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    times.set_xlim(0, max(len(lines), 1))
    add_legend(figure, legend)
    return _drawing(
        figure=figure,
        legend=legend,
        caption="Left: each client and round; an empty place was not sampled. Right: in how many "
        f"of {len(lines):,} rounds the update of a client was aggregated.",
    )


def _side(lines: list[Record], clients: list[int]) -> float:
    """Side of a mark, in points, so that marks do not touch."""
    return float(np.clip(190 / max(len(lines), 1), 1.5, 8))


def _rows(axes: Axes, clients: list[int]) -> None:
    step = 1 if len(clients) <= 20 else 5
    axes.set_yticks(range(0, len(clients), step), [str(one) for one in clients[::step]])
    axes.set_ylim(len(clients) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _counted(run: Run, lines: list[Record], whose: str) -> style.Drawing:
    """How many were sampled and aggregated in each round, and how often each client was."""
    sampled, aggregated = np.array([sampled_and_aggregated(line) for line in lines]).T
    rounds = [line["round"] for line in lines]
    times = _times(run, lines) if whose == "clients" else None
    figure, panels = style.panels(1, 1 if times is None else 2, height=3.1)
    marker = "o" if len(lines) <= 40 else ""
    legend = [Entry("sampled", palette.MUTED, dash=(4.0, 2.0)), Entry("aggregated", palette.BLUE)]
    for entry, counts in zip(legend, (sampled, aggregated), strict=True):
        panels[0].plot(rounds, counts, color=entry.colour, marker=marker,
                       linestyle=(0, entry.dash) if entry.dash else "-")  # fmt: skip
    panels[0].set_ylim(0, 1.1 * max(sampled.max(), 1))
    panels[0].set_title(f"{whose.capitalize()} in each round")
    panels[0].set_xlabel("round")
    panels[0].xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    panels[0].yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    told = f"How many {whose} a round sampled, and of how many the update was aggregated."
    if times is not None:
        most = int(times.max())
        bins = (np.arange(most + 2) - 0.5).tolist() if most < 30 else 30
        panels[1].hist(times, bins=bins, color=palette.BLUE, alpha=0.5, edgecolor="white")
        panels[1].set_title("How often each took part")
        panels[1].set_xlabel("rounds aggregated")
        panels[1].set_ylabel("clients")
        for axis in (panels[1].xaxis, panels[1].yaxis):
            axis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
        never = int((times == 0).sum())
        told = f"Left: {told[0].lower()}{told[1:]} Right: clients by their number of rounds" + (
            f"; {never:,} took part in none." if never else "."
        )
    add_legend(figure, legend)
    return _drawing(figure=figure, legend=legend, caption=told)


def _times(run: Run, lines: list[Record]) -> np.ndarray:
    """(C,) in how many rounds each client was aggregated."""
    clients = sorted(part["partition"] for part in run.about.get("partitions") or [])
    found = np.concatenate([np.array(line.get("aggregated") or [], dtype=int) for line in lines])
    return np.array([(found == client).sum() for client in clients] or [0])


def _drawing(**parts: object) -> style.Drawing:
    return style.Drawing(name="participation", title="Participation", **parts)  # type: ignore[arg-type]
