"""The files of a comparison: tables for programs, papers and people, figures and the page."""

from pathlib import Path
from typing import Any

import pandas as pd

from fedrec.errors import ResourceError
from fedrec.files.atomic import write_file
from fedrec.report.comparison.curves import drawings
from fedrec.report.comparison.found import Found
from fedrec.report.comparison.page import render_page
from fedrec.report.comparison.sheets import records
from fedrec.report.comparison.text import latex, markdown
from fedrec.report.figures import draw
from fedrec.runs.write import write_csv, write_json


def write_comparison(comparison: Found, folder: Path) -> Path:
    """Write compare.csv, .md, .tex, .json, .html and the figures; return the page's path.

    Raises:
        ResourceError: The folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError(f"{folder} cannot be made: {error.strerror}") from None
    figures = drawings(comparison.groups, records(comparison.pairs), comparison.main)
    tables = latex(comparison)
    write_csv(folder / "compare.csv", _columns(joined(comparison)))
    write_json(folder / "compare.json", record(comparison))
    write_file(folder / "compare.md", markdown(comparison).encode())
    write_file(folder / "compare.tex", tables.encode())
    for figure in figures:
        draw.save(figure, folder, png=True)
    page = folder / "compare.html"
    write_file(page, render_page(comparison, figures, tables).encode())
    return page


def joined(comparison: Found) -> pd.DataFrame:
    """A row for each group and metric: its figures, its spread, its difference to the first."""
    keys = ["group", "metric"]
    pairs = comparison.pairs.rename(
        columns={name: f"difference_{name}" for name in ("low", "high", "seeds", "users")}
    )
    table = comparison.table.merge(
        comparison.fairness.drop(columns="seeds"), on=keys, how="left", sort=False
    )
    return table.merge(pairs, on=keys, how="left", sort=False) if len(pairs) else table


def _columns(table: pd.DataFrame) -> dict[str, Any]:
    """Columns for a file: numbers as arrays, texts as lists with nothing where one is missing."""
    return {
        str(name): column.to_numpy()
        if pd.api.types.is_numeric_dtype(column)
        else [None if pd.isna(cell) else cell for cell in column]
        for name, column in table.items()
    }


def record(comparison: Found) -> dict[str, Any]:
    """All that a comparison found, as one JSON object."""
    return {
        "groups": [
            {
                "label": group.label,
                "settings": dict(group.settings),
                "runs": [
                    {"seed": seed, "folder": run.folder.name, "name": run.name}
                    for seed, run in group.runs.items()
                ],
            }
            for group in comparison.groups
        ],
        "table": records(comparison.table),
        "pairs": records(comparison.pairs),
        "fairness": records(comparison.fairness),
        "statements": comparison.statements,
        "notes": list(comparison.notes),
    }
