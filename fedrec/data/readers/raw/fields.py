"""Where the fields of a delimited text begin and end, found by arrays instead of line by line.

What Python's ``csv`` module would read in another way than these rules do is refused as a whole,
by ``OddTextError``: the reader that goes line by line then reads the text or names its bad line.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PIECE = 1 << 19  # bytes read at once: the arrays of a piece stay in the cache
PADDING = 24  # zeros around a piece, so that words may be loaded over its edges

_NEWLINE, _RETURN, _QUOTE = 10, 13, 34
_BLANKS = b" \t\r"


class OddTextError(Exception):
    """A text that only the reader that goes line by line can judge."""


class Fields(NamedTuple):
    """Fields of R rows.

    Attributes:
        block: Bytes of the piece, ``PADDING`` zeros before and behind it.
        starts: (R, W) where a field begins in ``block``, without its quotes.
        lengths: (R, W) bytes of a field, without its quotes.
    """

    block: NDArray[np.uint8]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


def fields_of(
    data: bytes, *, separator: str, num_fields: int, piece: int = PIECE
) -> Iterator[Fields]:
    """Fields of the rows of a text, piece by piece; blank lines are left out.

    Quotes inside a field stay doubled, as the text has them.

    Args:
        data: Text in UTF-8, without NUL bytes.
        separator: What stands between two fields, one ASCII character.
        num_fields: W, fields of every row.
        piece: Bytes of a piece; every row must be shorter.

    Raises:
        OddTextError: A row with another number of fields or longer than a piece, a lone carriage
            return, or a quote that does not stand where the csv module wants it.
    """
    if data.count(b"\r") != data.count(b"\r\n"):
        raise OddTextError
    quoting = b'"' in data
    begin = 0
    while begin < len(data):
        is_last = begin + piece >= len(data)
        block = _padded(data[begin : begin + piece], is_last=is_last)
        ends, is_line = _ends(block, ord(separator), quoting)
        lines = np.flatnonzero(is_line)
        if len(lines) == 0:
            raise OddTextError
        cut = int(ends[lines[-1]]) + 1
        if is_last and cut < PADDING + len(data) - begin:  # a quote that is not closed
            raise OddTextError
        if quoting:
            _check_quotes(block[:cut], ord(separator))
        last = lines[-1] + 1
        starts, lengths = _rows(block, ends[:last], is_line[:last], num_fields)
        if quoting:
            inside = block[starts] == _QUOTE
            starts, lengths = starts + inside, lengths - 2 * inside
        if len(starts):
            yield Fields(block, starts, lengths)
        begin += cut - PADDING


def _padded(piece: bytes, *, is_last: bool) -> NDArray[np.uint8]:
    """A piece between zeros; the last line of a file may end without a line break."""
    end = b"\n" if is_last and not piece.endswith(b"\n") else b""
    return np.frombuffer(bytes(PADDING) + piece + end + bytes(PADDING), dtype=np.uint8)


def _ends(
    block: NDArray[np.uint8], separator: int, quoting: bool
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where fields end, and whether a row ends there: separators and breaks outside of quotes."""
    found = (block == separator) | (block == _NEWLINE)
    if quoting:  # outside of quotes their number so far is even
        found &= (np.cumsum(block == _QUOTE, dtype=np.uint8) & 1) == 0
    ends = np.flatnonzero(found)
    return ends, block[ends] == _NEWLINE


def _check_quotes(block: NDArray[np.uint8], separator: int) -> None:
    """Refuse quotes that do not open and close a whole field; two inside one stand for one."""
    quotes = np.flatnonzero(block == _QUOTE)
    opening, closing = quotes[::2], quotes[1::2]
    if len(opening) != len(closing):
        raise OddTextError
    doubled = np.concatenate([[False], closing[:-1] + 1 == opening[1:]])
    before = block[opening - 1]
    opens = doubled | (before == separator) | (before == _NEWLINE) | (before == 0)
    behind = block[closing + 1]  # a piece is cut behind a line break, never behind a quote
    closes = (behind == separator) | (behind == _NEWLINE) | (behind == _RETURN)
    closes |= np.concatenate([doubled[1:], [False]])
    if not (opens.all() and closes.all()):
        raise OddTextError


def _rows(
    block: NDArray[np.uint8],
    ends: NDArray[np.int64],
    is_line: NDArray[np.bool_],
    num_fields: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Begin and length (R, W) of the fields of every row that is not blank."""
    starts = np.concatenate([[PADDING], ends[:-1] + 1])
    lengths = ends - starts
    lengths -= is_line & (lengths > 0) & (block[ends - 1] == _RETURN)
    if not _is_regular(is_line, num_fields):
        kept = ~_blank(block, starts, lengths, is_line)
        starts, lengths, is_line = starts[kept], lengths[kept], is_line[kept]
        if not _is_regular(is_line, num_fields):
            raise OddTextError
    return starts.reshape(-1, num_fields), lengths.reshape(-1, num_fields)


def _is_regular(is_line: NDArray[np.bool_], num_fields: int) -> bool:
    """Whether every row, and nothing but a row, has its end at every W-th field."""
    num_rows = int(is_line.sum())
    return len(is_line) == num_rows * num_fields and bool(
        is_line[num_fields - 1 :: num_fields].all()
    )


def _blank(
    block: NDArray[np.uint8],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    is_line: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Which fields are the only one of their line, and blank."""
    blank: NDArray[np.bool_] = is_line & np.concatenate([[True], is_line[:-1]])
    for field in np.flatnonzero(blank & (lengths > 0)):
        start = int(starts[field])
        blank[field] = not bytes(block[start : start + int(lengths[field])]).strip(_BLANKS)
    return blank
