"""CSV: the text of a file in UTF-8 or UTF-16, and the separator that its header has."""

import csv
import re

import pandas as pd

from fedrec.data.readers.raw.csv_text import decoded, read_csv
from fedrec.data.readers.table_files.source import TableSource
from fedrec.errors import DataError

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
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

    The separator is the one of comma, semicolon, tab and bar that gives the header the most
    fields, or the one that Excel's line ``sep=;`` names.

    Args:
        data: Bytes of the file.
        name: Name of the file, for messages.

    Raises:
        DataError: The message names the line that cannot be read, or the header that is none.
    """
    text = text_of(data, name=name)
    if said := _EXCELS_LINE.match(text):
        separator, text = said[1], text[said.end() :]  # the end of its line stays, a blank one
    else:
        separator = _separator(text, name)
    table = read_csv(text, name=name, separator=separator)
    header = list(table.columns)
    if all(_NUMBER.fullmatch(column) for column in header):
        raise DataError(
            f"{name}, line 1: {separator.join(header)[:60]!r} names no columns; write a header "
            f"line such as {separator.join(('user', 'item', 'time'))!r} above it"
        )
    kind = f"CSV with {_SEPARATORS.get(separator, repr(separator))}"
    kind += ", UTF-16" if data.startswith(_UTF_16) else ""
    frame = pd.DataFrame(table.columns, dtype=object)
    return TableSource(name, frame, table.place, kind, has_decimal_comma=separator == ";")


def _separator(text: str, name: str) -> str:
    """The separator that gives the header the most fields; the first of equals."""
    header = text.lstrip()
    end = re.search(r"[\r\n]", header)
    line = header[: end.start()] if end else header
    usual = "\t" if name.lower().endswith(".tsv") else ","
    order = sorted(_SEPARATORS, key=lambda separator: separator != usual)
    return max(order, key=lambda separator: _fields(line, separator))


def _fields(line: str, separator: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=separator), []))
    except csv.Error:
        return 0
