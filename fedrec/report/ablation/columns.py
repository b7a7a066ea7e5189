"""What the columns of an ablation's tables show of a cell; which fit a terminal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedrec.evaluation.protocols import metric_label
from fedrec.report.ablation.ranks import ALL, MAIN, OTHERS, RARE
from fedrec.runs.record import Record

GAP = 2  # columns of a terminal between two of a table


@dataclass(frozen=True)
class Column:
    """A column of a group's table.

    Attributes:
        header: its name, on one line or two.
        cell: what it shows of a cell's record; nothing where there is nothing to show.
        width: of the widest value.
        luxury: columns of the highest go first where a terminal is narrow; those of 0 stay.
    """

    header: str
    cell: Callable[[Record], str]
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


def interval(cell: Mapping[str, Any], *, signed: bool = False) -> str:
    """The bounds of a 95 % interval, or nothing."""
    if "low" not in cell:
        return ""
    return f"{short(cell['low'], signed=signed)} to {short(cell['high'], signed=signed)}"


def p_value(value: float | None) -> str:
    """A p-value with as many decimals as random signs can tell, or nothing."""
    if value is None:
        return ""
    return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def columns(group: Record) -> list[Column]:
    """The columns of a group's table, behind the names of the cells."""
    what, _ = what_is_rare(group)
    labels = [metric_label(name, group["protocol"]) for name in (MAIN, "HR@10")]
    main, hits = (label.replace(" (", "\n(") for label in labels)
    return [
        Column(main, lambda cell: _value(cell, ALL, MAIN), 7),
        Column("\n95 %", lambda cell: _bounds(cell, ALL, MAIN), 14, luxury=1),
        Column(hits, lambda cell: _value(cell, ALL, "HR@10"), 6, luxury=2),
        Column("HR@10\n95 %", lambda cell: _bounds(cell, ALL, "HR@10"), 14, luxury=6),
        Column("diff.", lambda cell: _gain(cell, ALL), 7),
        Column("\n95 %", lambda cell: interval(_difference(cell, ALL), signed=True), 16, luxury=1),
        Column("p", lambda cell: p_value(_difference(cell, ALL).get("p")), 6, luxury=5),
        Column("p\nHolm", lambda cell: p_value(_difference(cell, ALL).get("p (Holm)")), 6),
        *(_of_held_back(what) if what else ()),
        Column("seeds", lambda cell: str(len(cell["seeds"])), 5, luxury=2),
        Column("seconds", lambda cell: f"{cell['seconds']:,.0f}", 7, luxury=3),
        Column("MB", _megabytes, 6, luxury=3),
    ]


def what_is_rare(group: Record) -> tuple[str, str]:
    """A word for the targets that a group's scenario makes rare, and what they are; or nothing."""
    for cell in group["cells"]:
        if word := cell.get("held back"):
            most = cell["most"]
            if not most:
                return word, "targets never seen in training"
            events = f"1 to {most} training events" if most > 1 else "1 training event"
            return word, f"targets with {events}"
    return "", ""


def _of_held_back(what: str) -> list[Column]:
    """Columns of a group that holds items back: on them, and on the others."""
    return [
        Column(f"{what}\nHR@10", lambda cell: _value(cell, RARE, "HR@10"), 6),
        Column(f"{what}\n95 %", lambda cell: _bounds(cell, RARE, "HR@10"), 14, luxury=4),
        Column(f"{what}\nchance", _chance, 6, luxury=2),
        Column(f"{what}\nHR diff.", lambda cell: _gain(cell, RARE), 7, luxury=1),
        Column(f"{what}\np", lambda cell: p_value(_difference(cell, RARE).get("p")), 6, luxury=5),
        Column(
            f"{what}\np Holm",
            lambda cell: p_value(_difference(cell, RARE).get("p (Holm)")),
            6,
            luxury=1,
        ),
        Column(f"{what}\nusers", _users, 6, luxury=5),
        Column("others\nNDCG@10", lambda cell: _value(cell, OTHERS, MAIN), 6, luxury=4),
        Column("others\ndiff.", lambda cell: _gain(cell, OTHERS), 7, luxury=4),
    ]


def _chance(cell: Record) -> str:
    level = (cell.get(RARE) or {}).get("chance")
    return "" if level is None else short(level)


def _users(cell: Record) -> str:
    return f"{cell[RARE]['users']:,}" if RARE in cell else ""


def _metric(cell: Record, part: str, name: str) -> Mapping[str, Any]:
    return (cell.get(part) or {}).get(name) or {}


def _value(cell: Record, part: str, name: str) -> str:
    metric = _metric(cell, part, name)
    return short(metric["value"]) if metric else ""


def _bounds(cell: Record, part: str, name: str) -> str:
    return interval(_metric(cell, part, name))


def _difference(cell: Record, part: str) -> Mapping[str, Any]:
    return (cell.get("difference") or {}).get(part) or {}


def _gain(cell: Record, part: str) -> str:
    difference = _difference(cell, part)
    return short(difference["value"], signed=True) if difference else ""


def _megabytes(cell: Record) -> str:
    value = cell["client_megabytes"]
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
