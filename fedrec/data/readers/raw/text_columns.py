"""Columns of a delimited text: whole numbers as integers, other texts as numbers of distinct ones.

Nothing is lost: `007`, `+7`, `NA` and blanks stay what the file says, since a column is one of
integers only where every field is written as Python writes that integer.
"""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedrec.data.readers.columns.distinct import first_rows
from fedrec.data.readers.raw.fields import Fields, OddTextError

_MAX_DIGITS = 18  # all of them fit int64
_ZERO = np.uint64(0x3030303030303030)
_HIGH = np.uint64(0xF0F0F0F0F0F0F0F0)
_SIX = np.uint64(0x0606060606060606)
# Entry n keeps the last n bytes of a little-endian word, or the first n.
_LAST = np.array([(2**64 - 1) ^ ((1 << (64 - 8 * n)) - 1) for n in range(9)], dtype=np.uint64)
_FIRST = np.array([(1 << (8 * n)) - 1 for n in range(9)], dtype=np.uint64)


def text_columns(pieces: Iterable[Fields], num_fields: int, *, max_rows: int) -> list[pd.Series]:
    """Columns (E,) of the fields of a text, as text or as what stands for it without a loss.

    Args:
        pieces: Fields, piece by piece.
        num_fields: W, how many columns there are.
        max_rows: How many rows there are at most; memory is taken as they come.

    Returns:
        W columns: of int32 or int64, or categorical with the texts in order of appearance.

    Raises:
        OddTextError: There is no row, or what ``fields_of`` refuses.
    """
    columns = [_Column(max_rows) for _ in range(num_fields)]
    for piece in pieces:
        words = _words(piece.block)
        for place, column in enumerate(columns):
            column.add(piece, words, place)
    if columns[0].used == 0:
        raise OddTextError
    return [column.series() for column in columns]


def with_header(pieces: Iterator[Fields]) -> tuple[list[str], Iterator[Fields]]:
    """Names of the columns, without blanks around them, and the fields of the rows behind them.

    Raises:
        OddTextError: There is no header, or what ``fields_of`` refuses.
    """
    first = next(pieces, None)
    if first is None:
        raise OddTextError
    block, starts, lengths = first
    names = [text.strip() for text in _texts(block, starts[0].tolist(), lengths[0].tolist())]
    rest = Fields(block, starts[1:], lengths[1:])
    return names, itertools.chain([rest] if len(rest.starts) else [], pieces)


class _Column:
    """A column that fills: integers, until a field is none, then numbers of texts."""

    def __init__(self, max_rows: int) -> None:
        self.rows: NDArray[np.integer] = np.empty(max_rows, dtype=np.int32)
        self.used = 0
        self.number: dict[str, int] | None = None  # text -> its number; None of integers

    def add(self, piece: Fields, words: NDArray[np.uint64], place: int) -> None:
        starts = np.ascontiguousarray(piece.starts[:, place])
        lengths = np.ascontiguousarray(piece.lengths[:, place])
        if self.number is None:
            values = _integers(piece.block, words, starts, lengths)
            if values is not None:
                self._append(values)
                return
            self._leave_integers()
        codes = _distinct(words, starts, lengths)
        first = first_rows(codes)
        texts = _texts(piece.block, starts[first].tolist(), lengths[first].tolist())
        self._append(self._numbers(texts)[codes])

    def _append(self, values: NDArray[np.integer]) -> None:
        if values.dtype.itemsize > self.rows.dtype.itemsize:
            self.rows = self.rows.astype(values.dtype)
        end = self.used + len(values)
        self.rows[self.used : end] = values
        self.used = end

    def _leave_integers(self) -> None:
        """Go on with texts: those that the integers were."""
        codes, distinct = pd.factorize(self.rows[: self.used])
        self.number = {}
        numbers = self._numbers([str(value) for value in distinct.tolist()])
        self.rows, self.used = np.empty(len(self.rows), dtype=np.int32), 0
        if len(codes):
            self._append(numbers[codes])

    def _numbers(self, texts: list[str]) -> NDArray[np.int32]:
        """Numbers of texts in this column, in order of appearance."""
        number = self.number = self.number or {}
        return np.array([number.setdefault(text, len(number)) for text in texts], dtype=np.int32)

    def series(self) -> pd.Series:
        rows = self.rows[: self.used]
        if self.number is None:
            return pd.Series(rows, copy=False)
        texts = pd.Index(list(self.number), dtype=object)
        return pd.Series(pd.Categorical.from_codes(rows, texts, validate=False), copy=False)


def _texts(block: NDArray[np.uint8], starts: list[int], lengths: list[int]) -> list[str]:
    """Texts of some fields; a doubled quote stands for one."""
    spans = zip(starts, lengths, strict=True)
    texts = (str(block.data[start : start + length], "utf-8") for start, length in spans)
    return [text.replace('""', '"') for text in texts]


def _words(block: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The eight bytes that begin at each byte, as a little-endian word; a view."""
    return np.ndarray((len(block) - 7,), dtype="<u8", buffer=block, strides=(1,))


def _integers(
    block: NDArray[np.uint8],
    words: NDArray[np.uint64],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
) -> NDArray[np.integer] | None:
    """The fields (R,) as integers of 0 or more; None where one is not written as Python writes it.

    Eight digits are added up at a time, in pairs, fours and eights of a word.
    """
    longest = int(lengths.max())
    if longest > _MAX_DIGITS or int(lengths.min()) < 1:
        return None
    if ((block[starts] == ord("0")) & (lengths > 1)).any():
        return None
    values = np.zeros(len(starts), dtype=np.int64)
    for group in range(-(-longest // 8)):
        digits = words[starts + lengths - 8 * (group + 1)] ^ _ZERO
        digits &= _LAST[np.clip(lengths - 8 * group, 0, 8)]
        if ((digits | (digits + _SIX)) & _HIGH).any():
            return None
        for factor, shift, mask in _SUMS:
            digits = (digits * factor + (digits >> shift)) & mask
        values += digits.astype(np.int64) * 10 ** (8 * group)
    return values.astype(np.int32) if longest < 10 or values.max() < 2**31 else values


_SUMS = tuple(
    (np.uint64(factor), np.uint64(shift), np.uint64(mask))
    for factor, shift, mask in (
        (10, 8, 0x00FF00FF00FF00FF),
        (100, 16, 0x0000FFFF0000FFFF),
        (10_000, 32, 0x00000000FFFFFFFF),
    )
)


def _distinct(
    words: NDArray[np.uint64], starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Numbers (R,) of the distinct fields in order of appearance, eight bytes compared at a time.

    No text holds a NUL byte: fields that are equal up to a word's zeros are equal.
    """
    codes, seen = pd.factorize(words[starts] & _FIRST[np.minimum(lengths, 8)])
    count = len(seen)
    done = 8
    rows = np.flatnonzero(lengths > done)
    while len(rows):
        tail = words[starts[rows] + done] & _FIRST[np.minimum(lengths[rows] - done, 8)]
        more, tails = pd.factorize(tail)
        pairs, distinct = pd.factorize(codes[rows] * len(tails) + more)
        codes[rows] = count + pairs
        count += len(distinct)
        done += 8
        rows = rows[lengths[rows] > done]
    if done > 8:
        codes, _ = pd.factorize(codes)
    return codes
