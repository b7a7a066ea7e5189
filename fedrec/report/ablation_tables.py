"""The tables of an ablation: one for each group, on a terminal or in Markdown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from fedrec.evaluation.protocols import metric_label
from fedrec.evaluation.significance import RESAMPLES
from fedrec.report.history import Record
from fedrec.report.plain import plain
from fedrec.report.ranked import ALL, MAIN, OTHERS, RARE

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
    what = next((cell["held back"] for cell in group["cells"] if cell.get("held back")), "")
    labels = [metric_label(name, group["protocol"]) for name in (MAIN, "HR@10")]
    main, hits = (label.replace(" (", "\n(") for label in labels)
    return [
        Column(main, lambda cell: _value(cell, ALL, MAIN), 7),
        Column("\n95 %", lambda cell: _bounds(cell, ALL, MAIN), 14, luxury=1),
        Column(hits, lambda cell: _value(cell, ALL, "HR@10"), 6, luxury=2),
        Column("HR@10\n95 %", lambda cell: _bounds(cell, ALL, "HR@10"), 14, luxury=6),
        Column("diff.", lambda cell: _gain(cell, ALL), 7),
        Column("\n95 %", lambda cell: interval(_difference(cell, ALL), signed=True), 16, luxury=1),
        Column("p", lambda cell: p_value(_p(cell, "p")), 6, luxury=5),
        Column("p\nHolm", lambda cell: p_value(_p(cell, "p (Holm)")), 6),
        *(_of_held_back(what) if what else ()),
        Column("seeds", lambda cell: str(len(cell["seeds"])), 5, luxury=2),
        Column("seconds", lambda cell: f"{cell['seconds']:,.0f}", 7, luxury=3),
        Column("MB", _megabytes, 6, luxury=3),
    ]


def _of_held_back(what: str) -> list[Column]:
    """Columns of a group that holds items back: on them, and on the others."""
    return [
        Column(f"{what}\nHR@10", lambda cell: _value(cell, RARE, "HR@10"), 6),
        Column(f"{what}\n95 %", lambda cell: _bounds(cell, RARE, "HR@10"), 14, luxury=4),
        Column(f"{what}\nchance", _chance, 6, luxury=2),
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


def _p(cell: Record, which: str) -> float | None:
    return (cell.get("difference") or {}).get(which)


def _megabytes(cell: Record) -> str:
    value = cell["client_megabytes"]
    return "" if value is None else f"{value:,.1f}"


def name_of(cell: Record, group: Record) -> str:
    """The name of a cell, with what it is compared with where that is not the group's baseline."""
    if not cell["against"]:
        return f"{cell['name']} (baseline)"
    is_baseline = any(
        one["name"] == cell["against"] and not one["against"] for one in group["cells"]
    )
    return str(cell["name"]) if is_baseline else f"{cell['name']} (to {cell['against']})"


def _row(cell: Record, shown: Sequence[Column]) -> list[str]:
    """The cells of a row; where no run is complete, the first says so."""
    if not cell["seeds"]:
        return [why_none(cell), *[""] * (len(shown) - 1)]
    return [column.cell(cell) for column in shown]


def why_none(cell: Record) -> str:
    """In a word, why a cell has no complete run."""
    return "failed" if any(w.startswith("failed") for w in cell["missing"].values()) else "not run"


def notes(found: Record) -> list[str]:
    """What is missing from the tables, and why: a line for each reason, each run once."""
    reasons: dict[str, list[str]] = {}
    for group in found["groups"].values():
        for cell in group["cells"]:
            for seed, why in cell["missing"].items():
                reasons.setdefault(why, []).append(f"{cell['folder']}-seed{seed}")
            for seed in cell["degraded"]:
                reasons.setdefault("degraded", []).append(f"{cell['folder']}-seed{seed}")
    return [f"{', '.join(dict.fromkeys(names))}: {why}" for why, names in reasons.items()]


def terminal(found: Record, console: Console) -> RenderableType:
    """All tables, as wide as the terminal allows; what does not fit is in ablation.md."""
    parts: list[RenderableType] = []
    for name, group in found["groups"].items():
        names = [name_of(cell, group) for cell in group["cells"]]
        shown = fitting(columns(group), console.width - max(map(len, names)) - GAP)
        table = Table(
            title=Text(f"{name}: {group['about']}", style="bold"),
            title_justify="left",
            box=SIMPLE_HEAD,
            show_edge=False,
            padding=(0, 1, 0, 0),
        )
        table.add_column("", no_wrap=True)
        for column in shown:
            table.add_column(column.header, justify="right", no_wrap=True)
        for label, cell in zip(names, group["cells"], strict=True):
            style = None if cell["against"] else "bold"
            table.add_row(Text(plain(label)), *_row(cell, shown), style=style)
        parts += [table, ""]
    parts += [Text(plain(line), style="dim") for line in notes(found)]
    return Group(*parts)


def fitting(shown: Sequence[Column], width: int) -> list[Column]:
    """The columns that fit into a width, those of the highest luxury left out first."""
    kept = list(shown)
    while sum(column.room for column in kept) > width:
        most = max(column.luxury for column in kept)
        if not most:
            break
        kept.remove([column for column in kept if column.luxury == most][-1])
    return kept


def markdown(found: Record) -> str:
    """All tables with what made them, ready for experiments/results."""
    lines = [f"# Ablation of {found['preset'] or 'the defaults'}, {found['kind']}", ""]
    if made := found["made by"]:
        data, cores = made["data"], " or ".join(map(str, made["cores"]))
        lines += [
            f"{data['name']}: {data['users']:,} users, {data['items']:,} items. {cores} cores, "
            f"torch {made['versions'].get('torch')}, code {', '.join(made['code'])}.",
            *(plain(note) for note in made["notes"]),
            "",
        ]
    lines += [
        "Test items at the best round by validation. A user counts once, with the mean of the "
        "seeds (with generated data, each seed has users of its own). Intervals: 95 % bootstrap "
        "over users. Differences are in NDCG@10, paired by user and held-out item over the seeds "
        f"that both runs have; p: paired randomisation test over users, {RESAMPLES:,} draws, "
        "two-sided; Holm: corrected over all comparisons of this page. Seconds: in rounds, on one "
        "core. MB: what a client moved while training, both ways.",
        "",
        "```bash",
        *found["commands"],
        "```",
    ]
    for name, group in found["groups"].items():
        shown = columns(group)
        lines += ["", f"## {name}: {group['about']}", ""]
        lines += [_line(["cell", *(" ".join(column.header.split()) for column in shown)])]
        lines += [_line(["---", *["---:"] * len(shown)])]
        for cell in group["cells"]:
            lines.append(_line([name_of(cell, group), *_row(cell, shown)]))
    if missing := notes(found):
        lines += ["", "Missing:", "", *(f"- {line}" for line in missing)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(plain(cell).replace("|", "\\|") for cell in cells) + " |"
