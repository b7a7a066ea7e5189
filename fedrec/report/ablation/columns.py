"""What the columns of an ablation's tables show of a task; which fit a terminal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedrec.evaluation.protocols import metric_label
from fedrec.report.ranks import ALL, MAIN, OTHERS, RARE
from fedrec.runs.record import Record

GAP = 2  # columns of a terminal between two of a table


@dataclass(frozen=True)
class Column:
    """A column of a group's table.

    Attributes:
        header: Name of the column, on one line or two.
        text: What it shows of a task's record; nothing where there is nothing to show.
        width: Width of the widest value.
        luxury: Columns of the highest go first where a terminal is narrow; those of 0 stay.
    """

    header: str
    text: Callable[[Record], str]
    width: int
    luxury: int = 0

    @property
    def room(self) -> int:
        """Columns of a terminal that it takes."""
        return max(self.width, *map(len, self.header.split("\n"))) + GAP


def short(value: float, *, signed: bool = False) -> str:
    """A number with four decimals and no 0 before them: ".1607", "+.0012"."""
    text = f"{value:+.4f}" if signed else f"{value:.4f}"
    return text.replace("0.", ".", 1) if abs(value) < 0.99995 else text


def interval(metric: Mapping[str, Any], *, signed: bool = False) -> str:
    """The bounds of a 95 % interval, or nothing."""
    if "low" not in metric:
        return ""
    return f"{short(metric['low'], signed=signed)} to {short(metric['high'], signed=signed)}"


def p_value(value: float | None) -> str:
    """A p-value with as many decimals as random signs can tell, or nothing."""
    if value is None:
        return ""
    return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def columns(group: Record) -> list[Column]:
    """The columns of a group's table, behind the names of the tasks."""
    what, _ = what_is_rare(group)
    users = {part: _counts(group, part) for part in (ALL, RARE, OTHERS)}
    labels = [metric_label(name, group["protocol"]) for name in (MAIN, "HR@10")]
    main, hits = (label.replace(" (", "\n(") for label in labels)
    return [
        Column(main, lambda task: _value(task, ALL, MAIN), 7),
        *_of_users(users[ALL], ALL, ""),
        Column("\n95 %", lambda task: _bounds(task, ALL, MAIN), 14, luxury=1),
        Column(hits, lambda task: _value(task, ALL, "HR@10"), 6, luxury=2),
        Column("HR@10\n95 %", lambda task: _bounds(task, ALL, "HR@10"), 14, luxury=6),
        Column("diff.", lambda task: _gain(task, ALL), 7),
        Column("\n95 %", lambda task: interval(_difference(task, ALL), signed=True), 16, luxury=1),
        Column("p", lambda task: p_value(_difference(task, ALL).get("p")), 6, luxury=5),
        Column("p\nHolm", lambda task: p_value(_difference(task, ALL).get("p (Holm)")), 6),
        *(_of_held_back(what, users) if what else ()),
        Column("seeds", lambda task: str(len(task["seeds"])), 5, luxury=2),
        Column("seconds", lambda task: f"{task['seconds']:,.0f}", 7, luxury=3),
        Column("MB", _megabytes, 6, luxury=3),
    ]


def what_is_rare(group: Record) -> tuple[str, str]:
    """A word for the targets that a group's scenario makes rare, and what they are; or nothing."""
    for task in group["tasks"]:
        if word := task.get("held back"):
            most = task["most"]
            if not most:
                return word, "targets never seen in training"
            events = f"1 to {most} training events" if most > 1 else "1 training event"
            return word, f"targets with {events}"
    return "", ""


def _of_held_back(what: str, users: Mapping[str, set[int]]) -> list[Column]:
    """Columns of a group that holds items back: on them, and on the others.

    Args:
        what: Word for the items that are held back.
        users: Part -> numbers of users that its tasks are measured on.
    """
    return [
        Column(f"{what}\nHR@10", lambda task: _value(task, RARE, "HR@10"), 6),
        Column(f"{what}\n95 %", lambda task: _bounds(task, RARE, "HR@10"), 14, luxury=4),
        Column(f"{what}\nchance", _chance, 6, luxury=2),
        Column(f"{what}\nHR diff.", lambda task: _gain(task, RARE), 7, luxury=1),
        Column(f"{what}\np", lambda task: p_value(_difference(task, RARE).get("p")), 6, luxury=5),
        Column(
            f"{what}\np Holm",
            lambda task: p_value(_difference(task, RARE).get("p (Holm)")),
            6,
            luxury=1,
        ),
        *_of_users(users[RARE], RARE, what),
        Column("others\nNDCG@10", lambda task: _value(task, OTHERS, MAIN), 6, luxury=4),
        *_of_users(users[OTHERS], OTHERS, "others"),
        Column("others\ndiff.", lambda task: _gain(task, OTHERS), 7, luxury=4),
    ]


def _chance(task: Record) -> str:
    level = (task.get(RARE) or {}).get("chance")
    return "" if level is None else short(level)


def _counts(group: Record, part: str) -> set[int]:
    """Numbers of users that the tasks of a group are measured on."""
    return {task[part]["users"] for task in group["tasks"] if part in task}


def _of_users(counts: set[int], part: str, word: str) -> list[Column]:
    """A column of users, where tasks differ in their number: else the table's caption says it."""
    if len(counts) < 2:
        return []

    def text(task: Record) -> str:
        return f"{task[part]['users']:,}" if part in task else ""

    return [Column(f"{word}\nusers", text, 6)]


def about_users(group: Record) -> str:
    """How many users the metrics of a group are means over, where its tasks agree; or nothing."""
    word, _ = what_is_rare(group)
    told = []
    for part, name in ((ALL, ""), (RARE, f"{word} targets"), (OTHERS, "the others")):
        counts = _counts(group, part)
        if len(counts) == 1:
            count = next(iter(counts))
            told.append(f"{count:,} of {name}" if name else f"evaluated users: {count:,}")
    return ", ".join(told)


def _metric(task: Record, part: str, name: str) -> Mapping[str, Any]:
    return (task.get(part) or {}).get(name) or {}


def _value(task: Record, part: str, name: str) -> str:
    metric = _metric(task, part, name)
    return short(metric["value"]) if metric else ""


def _bounds(task: Record, part: str, name: str) -> str:
    return interval(_metric(task, part, name))


def _difference(task: Record, part: str) -> Mapping[str, Any]:
    return (task.get("difference") or {}).get(part) or {}


def _gain(task: Record, part: str) -> str:
    difference = _difference(task, part)
    return short(difference["value"], signed=True) if difference else ""


def _megabytes(task: Record) -> str:
    value = task["client_megabytes"]
    return "" if value is None else f"{value:,.1f}"


def fitting(shown: Sequence[Column], width: int) -> list[Column]:
    """The columns that fit into a width, those of the highest luxury left out first."""
    kept = list(shown)
    while sum(column.room for column in kept) > width:
        most = max(column.luxury for column in kept)
        if not most:
            break
        kept.remove([column for column in kept if column.luxury == most][-1])
    return kept
