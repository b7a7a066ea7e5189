"""Bars of an ablation: a panel for each group, its baseline as a line through the others."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fedrec.evaluation.protocols import metric_label
from fedrec.report.ablation.columns import short, what_is_rare
from fedrec.report.ablation.tables import CAPTION, LEVEL, has_seen_rare, why_none
from fedrec.report.figures import palette, style
from fedrec.report.ranks import ALL, MAIN, RARE
from fedrec.runs.plain_text import plain
from fedrec.runs.record import Record

BAR = 0.27  # inches that a bar takes
FRAME = 0.95  # inches of a panel's title and axis
COLUMNS, WIDTH = 2, 9.6  # of panels; inches
TITLE = 30  # letters beside the names of the tasks


@dataclass(frozen=True)
class Panel:
    """What one panel shows: a metric of a group's tasks over a part of the held-out items."""

    title: str
    tasks: Sequence[Record]
    metric: str
    part: str
    protocol: str
    chance: float | None = None

    def found(self, task: Record) -> Record | None:
        """The metric of a task with its interval, if it has any."""
        return (task.get(self.part) or {}).get(self.metric)

    def users(self) -> str:
        """Over how many users the metric is a mean: ", 60 users"; nothing where none is."""
        counts = [task[self.part]["users"] for task in self.tasks if self.found(task)]
        if not counts:
            return ""
        low, high = min(counts), max(counts)
        return f", {low:,} users" if low == high else f", {low:,} to {high:,} users"


def bars(found: Record) -> style.Drawing:
    """The main metric of every task with its interval, and HR@10 on the targets that are rare."""
    panels = list(_panels(found))
    rows = [panels[start : start + COLUMNS] for start in range(0, len(panels), COLUMNS)]
    heights = [FRAME + BAR * max(len(panel.tasks) for panel in row) for row in rows]
    with style.house_style():
        figure, axes = style.panels(len(rows), COLUMNS, sum(heights), heights, width=WIDTH)
        for panel, own in zip(panels, axes, strict=False):
            _draw(own, panel)
        for own in axes[len(panels) :]:
            own.set_visible(False)
    return style.Drawing(
        name="ablation",
        title="Ablation",
        caption=CAPTION,
        figure=figure,
    )


def _panels(found: Record) -> Iterator[Panel]:
    for name, group in found["groups"].items():
        firsts: dict[str, Record] = {}
        for task in group["tasks"]:  # a row for each comparison, but one bar
            firsts.setdefault(task["name"], task)
        tasks = list(firsts.values())
        yield Panel(name, tasks, MAIN, ALL, group["protocol"])
        held = [task for task in tasks if task.get(RARE, {}).get("users")]
        if held:
            title = f"{name}: {what_is_rare(group)[1]}"
            level = held[0][RARE]["chance"]
            yield Panel(title, held, "HR@10", RARE, group["protocol"], level)


def _draw(axes: Axes, panel: Panel) -> None:
    axes.set_title(textwrap.fill(plain(panel.title), TITLE))
    label = f"{metric_label(panel.metric, panel.protocol)}{panel.users()}"
    axes.set_xlabel(label)
    axes.set_yticks(range(len(panel.tasks)), [plain(task["name"]) for task in panel.tasks])
    axes.set_ylim(len(panel.tasks) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=palette.INK)
    axes.grid(visible=False, axis="y")
    furthest = panel.chance or 0.0
    for place, task in enumerate(panel.tasks):
        found = panel.found(task)
        if task["same as"]:
            _say(axes, 0, place, plain(f"= {task['same as']}"), palette.MUTED)
            continue
        if found is None:
            _say(axes, 0, place, why_none(task), palette.MUTED)
            continue
        _bar(axes, place, found, palette.BLUE if task["against"] else palette.INK)
        mark = " *" if _is_sure(task, panel.part) else ""
        if panel.part == RARE and has_seen_rare(task):
            mark += " (had them in training)"
        _say(axes, found["high"], place, short(found["value"]) + mark, palette.INK)
        furthest = max(furthest, found["high"])
        if not task["against"]:
            dashes = (0, (4, 2))
            axes.axvline(
                found["value"], color=palette.INK, linestyle=dashes, linewidth=1.0, zorder=4
            )
    if panel.chance is not None:
        axes.axvline(panel.chance, color=palette.VERMILION, linewidth=1.2, zorder=4)
        axes.set_xlabel(f"{label}; red: chance, {short(panel.chance)}")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.set_xlim(0, (furthest or 1.0) * 1.22)  # room for the numbers


def _bar(axes: Axes, place: int, found: Record, colour: str) -> None:
    value = found["value"]
    whiskers = [[value - found["low"]], [found["high"] - value]]
    axes.barh([place], [value], height=0.66, color=colour, alpha=0.45, zorder=2)
    axes.errorbar([value], [place], xerr=whiskers, color=colour, capsize=2.5, lw=1.3, zorder=5)


def _say(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    axes.annotate(
        text, (x, y), (5, 0), textcoords="offset points", va="center", fontsize=8, color=colour
    )


def _is_sure(task: Record, part: str) -> bool:
    difference = (task.get("difference") or {}).get(part) or {}
    return float(difference.get("p (Holm)", 1.0)) < LEVEL
