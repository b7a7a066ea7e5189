"""A comparison on a terminal, in Markdown and in LaTeX."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from fedrec.report.ablation.columns import GAP, fitting
from fedrec.report.comparison.found import Found
from fedrec.report.comparison.sheets import NAME, Sheet, by_row
from fedrec.report.html.copies import as_latex
from fedrec.runs.plain_text import plain


def terminal(comparison: Found, console: Console) -> RenderableType:
    """All tables, as wide as the terminal allows; what does not fit is in the files."""
    parts: list[RenderableType] = []
    for sheet in comparison.sheets:
        parts += [_table(sheet, console.width), ""]
    parts += [Text(plain(line), style="bold") for line in comparison.statements]
    parts += [Text(plain(line), style="dim") for line in comparison.notes]
    return Group(*parts)


def _table(sheet: Sheet, width: int) -> Table:
    first, *others = sheet.columns
    names = min(NAME, max(len(first.text(row)) for row in sheet.rows))
    shown = [first, *fitting(others, width - names - GAP)]
    table = Table(
        title=Text(plain(sheet.title), style="bold"),
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    is_words = sheet.name == "settings"
    for column in shown:
        is_first = column is first
        table.add_column(
            Text(column.header),
            justify="left" if is_first or is_words else "right",
            no_wrap=not is_first and not is_words,
            overflow="fold",
            max_width=NAME if is_first else None,
        )
    for row in sheet.rows:
        table.add_row(*(Text(plain(column.text(row))) for column in shown))
    return table


def markdown(comparison: Found) -> str:
    """All tables with what was found and how to read them."""
    lines = ["# Comparison", ""]
    lines += [f"- {plain(line)}" for line in comparison.statements]
    for sheet in _narrow(comparison):
        lines += ["", f"## {_markdown(sheet.title)}", "", markdown_line(sheet.headers)]
        lines += [markdown_line(["---", *["---:"] * (len(sheet.headers) - 1)])]
        lines += [markdown_line(row) for row in sheet.texts()]
    lines += ["", *(f"- {_markdown(line)}" for line in comparison.notes)]
    lines += ["", "Runs:", ""]
    for group in comparison.groups:
        folders = ", ".join(run.folder.name for run in group.runs.values())
        lines.append(f"- {_markdown(group.label)}: {_markdown(folders)}")
    return "\n".join(lines) + "\n"


def _narrow(comparison: Found) -> list[Sheet]:
    """The tables, the results with a row for each metric: in columns, no page takes them."""
    return [by_row(comparison.table), *comparison.sheets[1:]]


def markdown_line(cells: Sequence[str]) -> str:
    """A row of a table in Markdown."""
    return "| " + " | ".join(_markdown(cell) for cell in cells) + " |"


def _markdown(text: str) -> str:
    """Text that Markdown shows as it is: no table, tag or link begins in it."""
    safe = plain(text).replace("&", "&amp;").replace("<", "&lt;")
    for mark in "|[]`*":
        safe = safe.replace(mark, f"\\{mark}")
    return safe


def latex(comparison: Found) -> str:
    r"""All tables for a paper; they need ``\usepackage{booktabs}``."""
    lines = [r"% needs \usepackage{booktabs}"]
    for sheet in _narrow(comparison):
        notes = comparison.statements if sheet.name == "differences" else []
        caption = ". ".join([sheet.title, *(line.rstrip(".") for line in notes)])
        lines.append(as_latex(caption, sheet.headers, sheet.texts(), label=sheet.name))
    return "\n".join(lines)
