"""Bytes of a data file to text and rows, with messages that name the file and the line."""

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fedrec.errors import DataError

# A field longer than this is a catalogue entry gone wrong or a quote that never closed.
MAX_FIELD = 16 << 20
MAX_TEXT = 10_000
_PIECE = 1 << 20

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Table:
    """Text columns of equal length, with the line of the file on which each row ends."""

    name: str
    columns: dict[str, list[str]]
    lines: list[int]

    def place(self, row: int) -> str:
        """File and line of a row, the beginning of a message."""
        return f"{self.name}, line {self.lines[row]}"


def without_mark(data: bytes, *, name: str) -> bytes:
    """Drop a UTF-8 byte-order mark; refuse NUL bytes, which no text file holds.

    Raises:
        DataError: The message names the line of the first NUL byte, or UTF-16.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{name} is UTF-16; save it as UTF-8")
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise DataError(f"{name}, line {line}: a NUL byte; the file is damaged or no text file")
    return data.removeprefix(b"\xef\xbb\xbf")


def checked_utf8(data: bytes, *, name: str) -> bytes:
    """Bytes of a file in UTF-8, without byte-order mark; the text as a whole is never held.

    Raises:
        DataError: The message names line and offset of the first byte that is not UTF-8.
    """
    clean = without_mark(data, name=name)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for begin in () if clean.isascii() else range(0, len(clean), _PIECE):
            decoder.decode(clean[begin : begin + _PIECE], final=begin + _PIECE >= len(clean))
    except UnicodeDecodeError:
        decoded(data, name=name)
    return clean


def decoded(data: bytes, *, name: str) -> str:
    """UTF-8 text of a file, without byte-order mark.

    Raises:
        DataError: The message names line and offset of the first byte that is not UTF-8.
    """
    clean = without_mark(data, name=name)
    try:
        return clean.decode("utf-8")
    except UnicodeDecodeError as error:
        offset = error.start + len(data) - len(clean)
        line = clean[: error.start].count(b"\n") + 1
        raise DataError(
            f"{name}, line {line}: byte {offset} (0x{clean[error.start]:02x}) is not UTF-8; "
            "the file may be latin-1: save it as UTF-8"
        ) from None


def read_fields(
    data: bytes, *, name: str, separator: str, num_fields: int
) -> list[tuple[int, list[str]]]:
    """Line number and fields of every line that is not blank.

    UTF-8 where the bytes are valid UTF-8, else latin-1, the encoding of the old MovieLens files:
    latin-1 text with letters beyond ASCII is practically never valid UTF-8.

    Raises:
        DataError: The message names the first line with another number of fields, or an empty file.
    """
    clean = without_mark(data, name=name)
    try:
        text = clean.decode("utf-8")
    except UnicodeDecodeError:
        text = clean.decode("latin-1")
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        fields = line.rstrip("\r").split(separator)
        if len(fields) != num_fields:
            raise DataError(
                f"{name}, line {number}: {len(fields)} fields in {line[:60]!r}, expected "
                f"{num_fields} between {separator!r}; write no {separator!r} inside a field"
            )
        rows.append((number, fields))
    if not rows:
        raise DataError(f"{name} is empty; it needs one line per entry")
    return rows


def read_csv(text: str, *, name: str, separator: str = ",", columns: Sequence[str] = ()) -> Table:
    """Columns of a CSV text with one header line; blank lines and CRLF are fine.

    Everything stays text: `007`, `NA` and ids above 2^53 are what the file says.

    Args:
        text: Text of the file.
        name: Name of the file, for messages.
        separator: What stands between two fields.
        columns: Names of the columns of a text that has no header line.

    Raises:
        DataError: No header, no rows, a repeated column, a row with another number of fields or a
            quote that is never closed; names the line.
    """
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for line, row in _csv_rows(text, separator):
            rows.append(row)
            lines.append(line)
    except csv.Error as error:
        began = lines[-1] + 1 if lines else 1
        raise DataError(
            f"{name}, line {began}: a field in quotes is not closed as it should be ({error}); "
            'write a quote inside a field as ""'
        ) from None
    if columns:
        rows, lines = [list(columns), *rows], [0, *lines]
    if len(rows) < 2:
        seen = "is empty" if not rows else "has a header but no row"
        raise DataError(f"{name} {seen}; a header line and one row per event are needed")
    header = [column.strip() for column in rows[0]]
    repeated = sorted({column for column in header if header.count(column) > 1})
    if repeated:
        raise DataError(f"{name}, line {lines[0]}: column {repeated[0]!r} appears more than once")
    width = len(header)
    for row, line in zip(rows, lines, strict=True):
        if len(row) != width:
            raise DataError(
                f"{name}, line {line}: {len(row)} fields, the header has {width} "
                f"({separator.join(header)})"
            )
    values = list(zip(*rows[1:], strict=True))
    return Table(name, {key: list(values[i]) for i, key in enumerate(header)}, lines[1:])


def line_of_row(text: str, row: int, *, separator: str) -> int:
    """Line of a sound CSV text on which a row ends; rows count from 0, blank lines do not."""
    return next(itertools.islice(_csv_rows(text, separator), row, None))[0]


def _csv_rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the line on which it ends."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    previous = csv.field_size_limit(MAX_FIELD)
    try:
        for row in reader:
            if row and (len(row) > 1 or row[0].strip()):
                yield reader.line_num, row
    finally:
        csv.field_size_limit(previous)


def clean_texts(texts: list[str]) -> tuple[list[str], dict[str, int]]:
    """Texts fit to be encoded and shown, and how many were repaired.

    Control characters (also terminal escapes) become spaces, white space is single, and a text
    beyond 10,000 characters is cut. Right-to-left text and everything printable stays.
    """
    controlled = cut = 0
    cleaned = []
    for text in texts:
        if text.isprintable() and len(text) <= MAX_TEXT:  # nearly all
            cleaned.append(text.strip())
            continue
        plain = _CONTROL.sub(" ", text)
        controlled += plain != text
        plain = _SPACE.sub(" ", plain).strip()
        cut += len(plain) > MAX_TEXT
        cleaned.append(plain[:MAX_TEXT])
    counts = {"texts with control characters": controlled, f"texts cut at {MAX_TEXT}": cut}
    return cleaned, {name: n for name, n in counts.items() if n}
