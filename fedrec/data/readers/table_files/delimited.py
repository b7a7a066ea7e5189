"""CSV: the text of a file in UTF-8 or UTF-16, and the separator that its header has."""

import csv
import re
from typing import NamedTuple

import pandas as pd

from fedrec.data.readers.columns import Place
from fedrec.data.readers.raw.csv_text import checked_utf8, decoded, line_of_row, read_csv
from fedrec.data.readers.raw.fields import PIECE, OddTextError, fields_of
from fedrec.data.readers.raw.text_columns import text_columns, with_header
from fedrec.data.readers.table_files.source import NO_HEADER, TableSource
from fedrec.errors import DataError

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_COLONS = b"::"
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
    """The table of a CSV or TSV file, everything as text or as what stands for it without a loss.

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
    is_utf16 = data.startswith(_UTF_16)
    clean = text_of(data, name=name).encode() if is_utf16 else checked_utf8(data, name=name)
    if has_colons := _has_colons(clean):
        clean = clean.replace(_COLONS, b"\t")
    try:
        shape, frame, place = _read_by_arrays(clean, name)
    except OddTextError:
        shape, frame, place = _read_by_lines(clean.decode(), name)
    between = _SEPARATORS.get(shape.separator, repr(shape.separator))
    kind = f"CSV with {'double colons' if has_colons else between}"
    kind += f", {NO_HEADER}" if shape.numbered else ""
    kind += ", UTF-16" if is_utf16 else ""
    return TableSource(name, frame, place, kind, has_decimal_comma=shape.separator == ";")


class _Shape(NamedTuple):
    """How a text is to be read: from which character on, and the columns that it does not name."""

    separator: str
    begin: int
    num_fields: int
    numbered: list[str]


_Read = tuple[_Shape, pd.DataFrame, Place]


def _shape(text: str, name: str) -> _Shape:
    """The shape that the beginning of a text shows."""
    begin = 0
    if said := _EXCELS_LINE.match(text):
        separator, begin = said[1], said.end()  # the end of its line stays, a blank one
    else:
        separator = _separator(text, name)
    first = _fields(_first_line(text[begin:]), separator)
    has_header = not all(_NUMBER.fullmatch(field.strip()) for field in first)
    numbered = [] if has_header else [str(place) for place in range(1, len(first) + 1)]
    return _Shape(separator, begin, len(first), numbered)


def _read_by_lines(text: str, name: str) -> _Read:
    """Columns of text, by the csv module."""
    shape = _shape(text, name)
    table = read_csv(
        text[shape.begin :], name=name, separator=shape.separator, columns=shape.numbered
    )
    return shape, pd.DataFrame(table.columns, dtype=object), table.place


def _read_by_arrays(clean: bytes, name: str) -> _Read:
    """Columns of integers and of coded texts, by arrays."""
    head = clean[:PIECE].decode(errors="ignore")
    if not re.search(r"[\r\n]", head.lstrip("\r\n ")):
        raise OddTextError  # the first line, or nothing but it
    shape = _shape(head, name)
    if shape.num_fields < 2 or shape.separator not in _SEPARATORS:
        raise OddTextError
    body = clean[len(head[: shape.begin].encode()) :]
    pieces = fields_of(body, separator=shape.separator, num_fields=shape.num_fields)
    names = shape.numbered
    if not names:
        names, pieces = with_header(pieces)
    if len(set(names)) < len(names):
        raise OddTextError
    columns = text_columns(pieces, len(names), max_rows=body.count(b"\n") + 1)
    frame = pd.DataFrame(dict(zip(names, columns, strict=True)), copy=False)

    def place(row: int) -> str:
        row += not shape.numbered
        line = line_of_row(body.decode(), row, separator=shape.separator)
        return f"{name}, line {line}"

    return shape, frame, place


def _has_colons(clean: bytes) -> bool:
    """Whether two colons separate the fields."""
    line = _first_line(clean[:PIECE].decode(errors="ignore"))
    has_other = b"\t" in clean or any(one in line for one in _SEPARATORS)
    return _COLONS.decode() in line and not has_other


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
