"""A leaderboard as Markdown, as JSON and on a terminal."""

import re
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.console import Group as Lines
from rich.table import Table
from rich.text import Text

from fedrec.evaluation.further.seeds import FEWEST_SEEDS
from fedrec.evaluation.protocols import metric_label
from fedrec.report.ablation.columns import GAP, Column, fitting, interval, short
from fedrec.report.comparison.text import markdown_line
from fedrec.report.leaderboard.entries import SHOWN, Entry, Section
from fedrec.report.ranks import MAIN
from fedrec.runs.plain_text import plain
from fedrec.runs.record import Record, Run

_FOLDERS = re.compile(r"(?<![\w.])/(?:[^/\s,=]+/)+(?=[^/\s,=])")
_NAME = 36  # characters of a model's name on one line of a terminal
HOW_TO_READ = (
    "Test items, at the best round by validation. Intervals are 95 % intervals: over users and "
    f"seeds from {FEWEST_SEEDS} seeds on, the seed a random effect; of fewer, over users alone.",
    "A table has one dataset and one protocol. Whether a row is above another, "
    "`fedrec compare` says: two intervals do not.",
    "Seconds are those of a run from its start to its end, evaluation included, on the machine "
    "that made it. MB are what a client sent and received in all rounds.",
)


def columns(section: Section) -> list[Column]:
    """The columns of a table; the first is the name of the row."""

    def figure(metric: str, text: Any) -> Any:
        return lambda row: text(row[metric]) if metric in row else ""

    main, hits = (metric_label(metric, section.protocol) for metric in SHOWN)
    return [
        Column("model", lambda row: str(row["model"]), _NAME),
        Column("federation", lambda row: str(row["federation"]), 18),
        Column(main.replace(" (", "\n("), figure(MAIN, _value), 7),
        Column("95 %", figure(MAIN, interval), 14, 1),
        Column(hits.replace(" (", "\n("), figure("HR@10", _value), 6, 3),
        Column("HR@10\n95 %", figure("HR@10", interval), 14, 5),
        Column("seeds", _seeds, 9),
        Column("seconds", lambda row: f"{row['seconds']:,.0f}", 7, 2),
        Column("MB\na client", lambda row: _megabytes(row["client_megabytes"]), 6, 2),
    ]


def record(sections: Sequence[Section]) -> list[Record]:
    """All that the tables show, with the folders of the runs, for JSON."""
    return [
        {
            "data": section.data,
            "sizes": section.sizes,
            "protocol": section.protocol,
            "scenario": section.scenario,
            "rows": [row_of(entry) for entry in section.entries],
        }
        for section in sections
    ]


def row_of(entry: Entry) -> Record:
    """A row as columns read it."""
    return {
        "model": entry.model,
        "federation": entry.federation,
        **{metric: dict(figures) for metric, figures in entry.figures.items()},
        "seeds": list(entry.seeds),
        "seconds": entry.seconds,
        "client_megabytes": entry.megabytes,
        "runs": [run.folder.name for run in entry.group.runs.values()],
    }


def markdown(sections: Sequence[Section], title: str = "Leaderboard") -> str:
    """The page: a table for each section, how it is to be read, and what made its rows."""
    lines = [f"# {title}", ""]
    lines += [f"- {line}" for line in HOW_TO_READ]
    for section in sections:
        shown = columns(section)
        lines += ["", f"## {_title(section)}", "", f"{section.sizes}.", ""]
        lines += [markdown_line([" ".join(column.header.split()) for column in shown])]
        lines += [markdown_line(["---", "---", *["---:"] * (len(shown) - 2)])]
        rows = [row_of(entry) for entry in section.entries]
        lines += [markdown_line([column.text(row) for column in shown]) for row in rows]
        lines += ["", "How the rows were made:", ""]
        lines += [f"- {_made(entry)}" for entry in section.entries]
    return "\n".join(lines) + "\n"


def terminal(sections: Sequence[Section], console: Console) -> RenderableType:
    """The tables, as wide as the terminal allows."""
    parts: list[RenderableType] = []
    for section in sections:
        parts += [_table(section, console.width), ""]
    return Lines(*parts, *(Text(line, style="dim") for line in HOW_TO_READ))


def _table(section: Section, width: int) -> Table:
    rows = [row_of(entry) for entry in section.entries]
    first, *others = columns(section)
    name = min(_NAME, max(len(first.text(row)) for row in rows))
    table = Table(
        title=Text(plain(_title(section)), style="bold"),
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    shown = [first, *fitting(others, width - name - GAP)]
    for column in shown:
        is_text = column.header in ("model", "federation")
        table.add_column(
            Text(column.header),
            justify="left" if is_text else "right",
            overflow="fold",
            no_wrap=not is_text,
            max_width=_NAME if column is first else None,
        )
    for row in rows:
        table.add_row(*(Text(plain(column.text(row))) for column in shown))
    return table


def _title(section: Section) -> str:
    scenario = f", {section.scenario}" if section.scenario else ""
    protocol = "full ranking" if section.protocol == "full" else section.protocol
    return f"{section.data}, {protocol}{scenario}"


def _value(figures: Record) -> str:
    return short(float(figures["value"]))


def _seeds(row: Record) -> str:
    count = len(row["seeds"])
    return str(count) if count >= FEWEST_SEEDS else f"{count} of {FEWEST_SEEDS}"


def _megabytes(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _made(entry: Entry) -> str:
    """A row's command without folders, its seeds, its code and its days."""
    runs = list(entry.group.runs.values())
    days = sorted({str(run.about.get("finished", ""))[:10] for run in runs})
    code = sorted({str(run.about.get("code", ""))[:12] for run in runs})
    few = (
        f"; under {FEWEST_SEEDS} seeds, so that this is about these weights, not about the method"
        if len(runs) < FEWEST_SEEDS
        else ""
    )
    resumed = "; resumed on the way" if any(run.about.get("resumed") for run in runs) else ""
    return (
        f"{plain(entry.model)}, {entry.federation}: `{_command(runs[0])}`, "
        f"seeds {', '.join(map(str, entry.seeds))}; {' and '.join(days)}; "
        f"code {', '.join(code)}{resumed}{few}"
    )


def _command(run: Run) -> str:
    """The command of a run, with the names of files in place of their paths."""
    return _FOLDERS.sub("", plain(str(run.about.get("command", ""))).replace("`", "'"))
