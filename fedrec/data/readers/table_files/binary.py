"""Parquet and Excel, read by packages that are extras."""

import importlib
import importlib.util
import io
import warnings
import zipfile
from typing import Any

import pandas as pd

from fedrec.data.readers.raw.archives import MAX_TOTAL_BYTES
from fedrec.data.readers.table_files.source import TableSource
from fedrec.errors import DataError, ResourceError

_ERRORS = ("#N/A", "#REF!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#VALUE!")
_WORKBOOK = "xl/workbook.xml"


def read_parquet(data: bytes, *, name: str) -> TableSource:
    """The table of a parquet file.

    Raises:
        DataError: It is damaged.
        ResourceError: pyarrow is not installed.
    """
    _require("pyarrow", "parquet", name)
    try:
        frame = pd.read_parquet(io.BytesIO(data), engine="pyarrow")
    except (OSError, ValueError) as error:
        raise DataError(f"{name} is no whole parquet file: {error}") from error
    return TableSource(name, frame, lambda row: f"{name}, row {row}", "parquet")


def is_workbook(data: bytes) -> bool:
    """Whether the bytes of a zip are an Excel workbook."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _WORKBOOK in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def read_workbook(data: bytes, *, name: str) -> TableSource:
    """The table of the only sheet of a workbook that holds anything; text stays text.

    Raises:
        DataError: It is damaged, has several filled sheets or holds an error of a formula.
        ResourceError: openpyxl is not installed.
    """
    _require("openpyxl", "excel", name)
    _check_size(data, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that no table needs
            openpyxl = importlib.import_module("openpyxl")
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            sheets = {sheet.title: _rows(sheet) for sheet in book.worksheets}
    except (OSError, ValueError, KeyError, TypeError, SyntaxError, zipfile.BadZipFile) as error:
        raise DataError(f"{name} is no whole Excel workbook: {error}") from None
    filled = {title: rows for title, rows in sheets.items() if rows}
    if len(filled) > 1:
        raise DataError(
            f"{name} has several sheets with data ({', '.join(filled)}); save the one with the "
            "events as a workbook or CSV file of its own"
        )
    if not filled:
        raise DataError(f"{name} is empty; a header line and one row per event are needed")
    title, rows = next(iter(filled.items()))
    return _table(f"{name}, sheet {title!r}", rows)


def _rows(sheet: Any) -> list[tuple[int, tuple[Any, ...]]]:
    """Number and cells of every row that is not blank."""
    rows = enumerate(sheet.iter_rows(values_only=True), start=1)
    return [(number, cells) for number, cells in rows if any(cell is not None for cell in cells)]


def _table(name: str, rows: list[tuple[int, tuple[Any, ...]]]) -> TableSource:
    lines = [number for number, _ in rows[1:]]
    header = ["" if cell is None else str(cell).strip() for cell in rows[0][1]]
    kept = [place for place, column in enumerate(header) if column]
    if len(rows) < 2:
        raise DataError(f"{name} has a header but no row; one row per event is needed")
    for number, cells in rows[1:]:
        for place, cell in enumerate(cells):
            if isinstance(cell, str) and cell in _ERRORS:
                raise DataError(f"{name}, row {number}: a formula gives {cell}; correct it")
            if cell is not None and (place >= len(header) or not header[place]):
                raise DataError(f"{name}, row {number}: {str(cell)[:40]!r} stands in no column")
    frame = pd.DataFrame(
        [[cells[place] if place < len(cells) else None for place in kept] for _, cells in rows[1:]],
        columns=[header[place] for place in kept],
        dtype=object,
    )
    return TableSource(name, frame, lambda row: f"{name}, row {lines[row]}", "Excel")


def _check_size(data: bytes, name: str) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        total = sum(member.file_size for member in archive.infolist())
    if total > MAX_TOTAL_BYTES:
        raise DataError(f"{name} unpacks to {total} bytes, the limit is {MAX_TOTAL_BYTES}")


def _require(module: str, extra: str, name: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise ResourceError(
            f"reading {name} needs {module}: pip install 'fedrec[{extra}]' or {module}, or save "
            "the table as CSV"
        )
