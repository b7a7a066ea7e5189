"""Text columns: one text of each item, or user, from all its rows."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedrec.data.readers.columns import Place
from fedrec.data.readers.columns.distinct import distinct_of, first_rows
from fedrec.errors import DataError

_WHOLE = re.compile(r"\d{1,4}(\.0)?")


class Texts(NamedTuple):
    """Texts of all ids.

    Attributes:
        values: One text of each id, "" where no row has one.
        repaired: What was put right -> how often.
    """

    values: list[str]
    repaired: dict[str, int]


def texts_of(series: pd.Series) -> list[str]:
    """Text of every row: lists become ``a|b``, missing values "", whole floats lose their .0."""
    texts = []
    for value in series:
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, set | frozenset):  # whose order is another in every process
            texts.append("|".join(sorted(str(part) for part in value)))
        elif isinstance(value, list | tuple | np.ndarray):
            texts.append("|".join(str(part) for part in value))
        elif pd.isna(value):
            texts.append("")
        elif isinstance(value, float) and value.is_integer():
            texts.append(str(int(value)))
        else:
            texts.append(str(value))
    return texts


class CodedTexts(NamedTuple):
    """Texts of E rows.

    Attributes:
        codes: (E,) which of ``values`` a row holds.
        values: The distinct texts.
    """

    codes: NDArray[np.integer]
    values: list[str]


def coded_texts(series: pd.Series) -> CodedTexts:
    """Text of every row as ``texts_of`` gives it, each distinct one once."""
    distinct = distinct_of(series)
    if distinct is not None:
        return CodedTexts(distinct.codes, texts_of(distinct.values))
    codes, values = pd.factorize(np.array(texts_of(series), dtype=object))
    return CodedTexts(codes, values.tolist())


def same_words(text: str) -> str:
    """A text without what two spellings of it may differ in: case, blanks, composed letters."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def same_genres(text: str) -> str:
    """Names between bars, whatever their case, blanks and order."""
    return "|".join(sorted({same_words(part) for part in text.split("|") if part.strip()}))


def same_year(text: str) -> str:
    """A year, with or without a fraction of zero."""
    return text.strip().removesuffix(".0")


def one_per_id(
    texts: CodedTexts,
    rows: NDArray[np.int32],
    ids: list[str],
    name: str,
    place: Place,
    same: Callable[[str], str] = same_words,
) -> Texts:
    """One text of each id: the first that is not blank; rows without one are filled, and counted.

    Args:
        texts: Text of every row, E of them.
        rows: (E,) which id a row is of.
        ids: All ids.
        name: Name of the column.
        place: Where a row stands, for messages.
        same: What two texts of one id must have in common; the first one is then kept.

    Raises:
        DataError: Two texts of one id that differ in more than ``same`` lets pass.
    """
    found: dict[int, str] = {}
    blank: list[tuple[int, int]] = []
    otherwise = 0
    for code, value, row, count in _distinct_pairs(rows, texts):
        if not value.strip():
            blank.append((code, count))
        elif (first := found.setdefault(code, value)) != value:
            if same(first) != same(value):
                raise DataError(
                    f"{place(row)}: {name} of {ids[code]!r} is {value[:60]!r}, "
                    f"but {first[:60]!r} before; one id has one {name}"
                )
            otherwise += count
    counts = {
        f"rows without a {name} that another row of the same id has": sum(
            count for code, count in blank if code in found
        ),
        f"rows with another spelling of a {name}": otherwise,
    }
    kept = [found.get(code, "") for code in range(len(ids))]
    return Texts(kept, {what: count for what, count in counts.items() if count})


def _distinct_pairs(
    rows: NDArray[np.int32], texts: CodedTexts
) -> Iterator[tuple[int, str, int, int]]:
    """Id, text, first row and number of rows of every pair that differs, as they first appear."""
    num_texts = len(texts.values)
    pairs, distinct = pd.factorize(rows.astype(np.int64) * num_texts + texts.codes)
    first, counts = first_rows(pairs).tolist(), np.bincount(pairs).tolist()
    for pair, row, count in zip(distinct.tolist(), first, counts, strict=True):
        yield pair // num_texts, texts.values[pair % num_texts], row, count


def year_of(text: str, item: str, name: str) -> int | None:
    """Year of an item, written as "1995" or "1995.0"; None for an empty text."""
    if not text:
        return None
    if not _WHOLE.fullmatch(text):
        raise DataError(f"{name}: year {text!r} of item {item!r} is not a year such as 1995")
    return int(float(text))
