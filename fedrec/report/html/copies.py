"""Tables as text to copy: comma-separated values, and LaTeX for a paper."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from fedrec.runs.plain_text import plain

_LATEX = {
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "…": r"\ldots{}",
    "|": r"\textbar{}",
    '"': "''",
    **{mark: "\\" + mark for mark in "&%$#_{}"},
}
_FORMULAS = ("=", "+", "-", "@")  # a spreadsheet would compute a text that begins so


def copies(title: str, headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, str]:
    """A table of a page as CSV and LaTeX.

    Args:
        title: What the table shows: the caption in LaTeX.
        headers: Headers of its columns.
        rows: Its cells: texts, or mappings of "value" and "interval".
    """
    beside = [
        any(isinstance(row[place], Mapping) and row[place].get("interval") for row in rows)
        for place in range(len(headers))
    ]
    named, cells = _flat(headers, rows, beside)
    return {"csv": as_csv(named, cells), "latex": as_latex(title, named, cells)}


def _flat(
    headers: Sequence[str], rows: Sequence[Sequence[Any]], beside: Sequence[bool]
) -> tuple[list[str], list[list[str]]]:
    """Headers and cells as texts, an interval in a column of its own."""
    named: list[str] = []
    cells: list[list[str]] = [[] for _ in rows]
    for place, header in enumerate(headers):
        named += [header, f"{header}, 95 %"] if beside[place] else [header]
        for row, texts in zip(rows, cells, strict=True):
            cell = row[place]
            is_pair = isinstance(cell, Mapping)
            texts.append(str(cell["value"]) if is_pair else str(cell))
            if beside[place]:
                texts.append(str(cell.get("interval") or "") if is_pair else "")
    return named, cells


def as_csv(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as comma-separated values."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for row in (headers, *rows):
        writer.writerow([_harmless(plain(cell)) for cell in row])
    return buffer.getvalue()


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; numbers stay."""
    try:
        float(cell)
    except ValueError:
        return f"'{cell}" if cell.startswith(_FORMULAS) and cell != "-" else cell
    return cell


def as_latex(
    title: str, headers: Sequence[str], rows: Sequence[Sequence[str]], label: str = ""
) -> str:
    r"""A table for a paper; it needs ``\usepackage{booktabs}``."""
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(title)}.}}",
        *([rf"\label{{tab:{label}}}"] if label else ()),
        rf"\begin{{tabular}}{{l{'r' * (len(headers) - 1)}}}",
        r"\toprule",
        _row(headers),
        r"\midrule",
        *map(_row, rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return " & ".join(map(escaped, cells)) + r" \\"


def escaped(text: str) -> str:
    """Text that LaTeX sets as it is."""
    return "".join(_LATEX.get(letter, letter) for letter in plain(text))
