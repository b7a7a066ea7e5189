"""The table of a benchmark, on a terminal and as CSV, Markdown and JSON."""

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.console import Group as Lines
from rich.table import Table
from rich.text import Text

from experiments.benchmarks.run import FILE, Measured, share_of
from experiments.benchmarks.suite import Figures, Suite
from fedrec.evaluation.further.seeds import FEWEST_SEEDS
from fedrec.evaluation.protocols import metric_label
from fedrec.files.atomic import write_file
from fedrec.report.ablation.columns import GAP, Column, fitting, interval, short
from fedrec.report.comparison.text import markdown_line
from fedrec.report.leaderboard.entries import SHOWN
from fedrec.report.leaderboard.written import row_of
from fedrec.report.ranks import MAIN
from fedrec.runs.plain_text import plain
from fedrec.runs.record import Record
from fedrec.runs.write import write_csv, write_json

_NAME = 32  # characters of a row's name on one line of a terminal


def records(rows: Sequence[Measured]) -> list[Record]:
    """The rows of a table, as columns and JSON have them."""
    return [_record(one) for one in rows]


def write_benchmark(suite: Suite, rows: Sequence[Measured], out: Path) -> Path:
    """Write benchmark.csv, .md and .json, and return the path of the Markdown.

    Raises:
        ResourceError: The folder cannot be written.
    """
    found = records(rows)
    write_json(out / FILE, {"benchmark": suite.name, "about": suite.about, "rows": found})
    write_csv(out / "benchmark.csv", _csv(found))
    page = out / "benchmark.md"
    write_file(page, markdown(suite, found).encode())
    return page


def markdown(suite: Suite, rows: Sequence[Record]) -> str:
    """The table and how it is to be read."""
    lines = [f"# {suite.about}"]
    for protocol, part in _by_protocol(rows):
        shown = columns(part)
        lines += ["", f"## {protocol}", ""] if protocol else [""]
        lines += [markdown_line([_flat(column.header) for column in shown])]
        lines += [markdown_line(["---", *["---:"] * (len(shown) - 1)])]
        lines += [markdown_line([column.text(row) for column in shown]) for row in part]
    return "\n".join([*lines, "", *(f"- {line}" for line in notes(rows))]) + "\n"


def terminal(suite: Suite, rows: Sequence[Record], console: Console) -> RenderableType:
    """The table, as wide as the terminal allows, and how it is to be read."""
    tables = [
        _table(f"{suite.about}, {protocol}" if protocol else suite.about, part, console.width)
        for protocol, part in _by_protocol(rows)
    ]
    return Lines(*tables, *(Text(plain(line), style="dim") for line in notes(rows)))


def _by_protocol(rows: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    """The rows of each protocol, which share no axis; with its name where there are several."""
    found: dict[str, list[Record]] = {}
    for row in rows:
        found.setdefault(row["protocol"], []).append(row)
    return [(name if len(found) > 1 else "", part) for name, part in found.items()]


def _table(title: str, rows: Sequence[Record], width: int) -> Table:
    first, *others = columns(rows)
    name = min(_NAME, max(len(first.text(row)) for row in rows))
    shown = [first, *fitting(others, width - name - GAP)]
    table = Table(
        title=Text(plain(title), style="bold"),
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in shown:
        is_name = column is first
        table.add_column(
            Text(column.header),
            justify="left" if is_name or column.header == "result" else "right",
            overflow="fold",
            no_wrap=not is_name,
            max_width=_NAME if is_name else None,
        )
    for row in rows:
        table.add_row(*(Text(plain(column.text(row))) for column in shown))
    return table


def columns(rows: Sequence[Record]) -> list[Column]:
    """Columns of the table; those that no row fills are left out."""
    main, hits = (
        metric_label(metric, rows[0]["protocol"]).replace(" (", "\n(") for metric in SHOWN
    )
    every = [
        Column("row", lambda row: str(row["about"]), _NAME),
        Column(main, lambda row: _figure(row, MAIN), 7),
        Column("95 %", lambda row: interval(row.get(MAIN, {})), 14, 1),
        Column("expected", lambda row: _said(row["expected"], MAIN), 8),
        Column("result", lambda row: str(row["result"]), 16),
        Column("published", lambda row: _said(row["published"], MAIN), 8, 2),
        Column(hits, lambda row: _figure(row, "HR@10"), 6, 3),
        Column("HR@10\nexpected", lambda row: _said(row["expected"], "HR@10"), 8, 5),
        Column("seeds", lambda row: str(len(row.get("seeds", ()))) or "", 5),
        Column("seconds", lambda row: f"{row['seconds']:,.0f}" if "seconds" in row else "", 7, 4),
        Column("MB", _megabytes, 6, 4),
    ]
    return [every[0], *(column for column in every[1:] if any(column.text(row) for row in rows))]


def notes(rows: Sequence[Record]) -> list[str]:
    """How the table is to be read, and where its expected figures come from."""
    told = [
        "Intervals are 95 % intervals over users and seeds from "
        f"{FEWEST_SEEDS} seeds on, else over users."
    ]
    for row in rows:
        if expected := row["expected"]:
            told.append(
                f"{row['about']}: expected within {100 * expected['tolerance']:g} % of "
                f"{expected['by']}"
            )
        if published := row["published"]:
            told.append(f"{row['about']}: published by {published['by']}")
    few = [row["about"] for row in rows if row["trained"] and 0 < len(row.get("seeds", ())) < 3]
    if few:
        told.append(
            f"Under {FEWEST_SEEDS} seeds, so that the figure is about these weights and not about "
            f"the method: {', '.join(few)}"
        )
    return told


def _record(measured: Measured) -> Record:
    row, entry = measured.row, measured.entry
    return {
        "row": row.name,
        "about": row.about,
        "kind": row.kind,
        "preset": row.preset,
        "trained": row.is_trained,
        "protocol": measured.protocol,
        **({} if entry is None else row_of(entry)),
        "expected": _of(row.expected),
        "published": _of(row.published),
        "to_expected": share_of(measured),
        "result": measured.verdict,
    }


def _of(figures: Figures | None) -> Record | None:
    if figures is None:
        return None
    return {**figures.values, "tolerance": figures.tolerance, "by": figures.by}


def _csv(rows: Sequence[Record]) -> Record:
    """Columns of benchmark.csv: one row a metric would repeat the names, so metrics are columns."""
    names = ("value", "low", "high", "sd_seeds")
    found: Record = {name: [row[name] for row in rows] for name in ("row", "about", "result")}
    for metric in SHOWN:
        for name in names:
            found[f"{metric} {name}"] = [row.get(metric, {}).get(name) for row in rows]
        for name in ("expected", "published"):
            found[f"{metric} {name}"] = [(row[name] or {}).get(metric) for row in rows]
    found["seeds"] = [len(row.get("seeds", ())) for row in rows]
    for name in ("seconds", "client_megabytes"):
        found[name] = [row.get(name) for row in rows]
    return found


def _figure(row: Record, metric: str) -> str:
    return short(float(row[metric]["value"])) if metric in row else ""


def _said(figures: Record | None, metric: str) -> str:
    return short(figures[metric]) if figures and metric in figures else ""


def _megabytes(row: Record) -> str:
    value = row.get("client_megabytes")
    return "" if value is None else f"{value:,.1f}"


def _flat(header: str) -> str:
    return " ".join(header.split())
