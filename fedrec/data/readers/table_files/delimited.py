"""CSV: the text of a file in UTF-8 or UTF-16, and the separator that its header has."""

import csv
import re

import pandas as pd

from fedrec.data.readers.raw.csv_text import decoded, read_csv
from fedrec.data.readers.table_files.source import NO_HEADER, TableSource
from fedrec.errors import DataError

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_COLONS = "::"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_EXCELS_LINE = re.compile(r"\s*\"?sep=(.)\"?[ \t]*(?=\r|\n)", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?")


def text_of(data: bytes, *, name: str) -> str:
    """Text of a file in UTF-8 or, with its mark, UTF-16.

    Raises:
        DataError: It is neither; names line and byte.
    """
    if not data.startswith(_UTF_16):
        return decoded(data, name=name)
    try:
        text = data.decode("utf-16")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} begins as UTF-16, but byte {error.start} is not; save it as UTF-8"
        ) from None
    return decoded(text.encode(), name=name)  # refuses the NULs of UTF-32


def read_delimited(data: bytes, *, name: str) -> TableSource:
    """The table of a CSV or TSV file, everything as text.

    Where the first line holds nothing but numbers, it is no header: the columns are then called
    "1", "2" and so on. The separator is the one of comma, semicolon, tab and bar that gives the
    header the most fields, or the one that Excel's line ``sep=;`` names; two colons, as MovieLens
    has them, where the first line has none of the others.

    Args:
        data: Bytes of the file.
        name: Name of the file, for messages.

    Raises:
        DataError: The message names the line that cannot be read.
    """
    text = text_of(data, name=name)
    if has_colons := _has_colons(text):
        separator, text = "\t", text.replace(_COLONS, "\t")
    elif said := _EXCELS_LINE.match(text):
        separator, text = said[1], text[said.end() :]  # the end of its line stays, a blank one
    else:
        separator = _separator(text, name)
    first = _fields(_first_line(text), separator)
    has_header = not all(_NUMBER.fullmatch(field.strip()) for field in first)
    numbered = [] if has_header else [str(place) for place in range(1, len(first) + 1)]
    table = read_csv(text, name=name, separator=separator, columns=numbered)
    between = "double colons" if has_colons else _SEPARATORS.get(separator, repr(separator))
    kind = f"CSV with {between}"
    kind += "" if has_header else f", {NO_HEADER}"
    kind += ", UTF-16" if data.startswith(_UTF_16) else ""
    frame = pd.DataFrame(table.columns, dtype=object)
    return TableSource(name, frame, table.place, kind, has_decimal_comma=separator == ";")


def _has_colons(text: str) -> bool:
    """Whether two colons separate the fields."""
    line = _first_line(text)
    return _COLONS in line and "\t" not in text and not any(one in line for one in _SEPARATORS)


def _separator(text: str, name: str) -> str:
    """The separator that gives the header the most fields; the first of equals."""
    line = _first_line(text)
    usual = "\t" if name.lower().endswith(".tsv") else ","
    order = sorted(_SEPARATORS, key=lambda separator: separator != usual)
    return max(order, key=lambda separator: len(_fields(line, separator)))


def _first_line(text: str) -> str:
    """The first line that is not blank."""
    begun = text.lstrip("\r\n ")
    end = re.search(r"[\r\n]", begun)
    return begun[: end.start()] if end else begun


def _fields(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []
