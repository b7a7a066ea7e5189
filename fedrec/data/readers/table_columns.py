"""Columns of a user's own table: ids, times, ratings and texts, checked value by value.

All raise a ``DataError`` that names the row of the first value that cannot be used.
"""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedrec.data.interactions import checked_times
from fedrec.errors import DataError

Place = Callable[[int], str]  # where a row stands, the beginning of a message

_WHOLE = re.compile(r"\d{1,4}(\.0)?")


def ids(series: pd.Series, place: Place) -> tuple[NDArray[np.int32], list[str]]:
    """Numbers (E,) of the ids in order of first appearance, and the ids as text."""
    codes, unique = pd.factorize(series)
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise DataError(f"{place(row)}: column {series.name!r} has no id (empty or NaN)")
    ids: list[str] = []
    for code, value in enumerate(unique):
        problem, text = _id_text(value)
        if problem:
            row = int(np.argmax(codes == code))
            raise DataError(f"{place(row)}: {series.name} id {value!r} {problem}")
        ids.append(text)
    if len(set(ids)) != len(ids):
        doubled = next(text for text in ids if ids.count(text) > 1)
        raise DataError(
            f"column {series.name!r} holds {doubled!r} both as number and as text; use text only"
        )
    return codes.astype(np.int32), ids


def _id_text(value: object) -> tuple[str, str]:
    """What is wrong with an id ("" when nothing is), and the id as text."""
    if isinstance(value, str):
        if not value.strip() or value.strip().lower() == "nan":
            return "is empty or a written NaN", ""
        return "", value
    if isinstance(value, (bool, np.bool_)):
        return "is neither text nor a whole number", ""
    if isinstance(value, (int, np.integer)):
        return "", str(int(value))
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        if abs(float(value)) >= 2**53:
            return "was rounded when it became a float; read the column as text", ""
        return "", str(int(value))
    return "is neither text nor a whole number", ""


def event_times(series: pd.Series, place: Place) -> NDArray[np.int64]:
    """Times (E,) as int64: whole numbers in their own unit, fractions and dates in milliseconds."""
    if isinstance(series.dtype, pd.DatetimeTZDtype) or series.dtype.kind == "M":
        return _milliseconds(series, place)
    numbers = pd.to_numeric(series, errors="coerce")
    if isinstance(series.iloc[0], str) and pd.isna(numbers.iloc[0]):
        dates = pd.to_datetime(series, errors="coerce", utc=True, format="ISO8601")
        if not dates.isna().iloc[0]:
            return _milliseconds(dates, place)
    if numbers.dtype.kind in "iu":
        return checked_times(numbers.to_numpy(dtype=np.int64), place)
    values = _finite(numbers, series, place)
    if (values == np.floor(values)).all():
        return checked_times(values.astype(np.int64), place)
    checked_times(np.floor(values).astype(np.int64), place)  # before both units are multiplied
    return np.round(values * 1000).astype(np.int64)


def _milliseconds(series: pd.Series, place: Place) -> NDArray[np.int64]:
    if series.isna().any():
        row = int(np.argmax(series.isna().to_numpy()))
        raise DataError(f"{place(row)}: column {series.name!r} holds no date; write ISO dates")
    utc = pd.to_datetime(series, utc=True).dt.tz_localize(None)
    return checked_times(utc.to_numpy().astype("datetime64[ms]").astype(np.int64), place)


def ratings(series: pd.Series, place: Place) -> NDArray[np.float32]:
    """Finite numbers (E,) of a column."""
    return _finite(pd.to_numeric(series, errors="coerce"), series, place).astype(np.float32)


def _finite(numbers: pd.Series, series: pd.Series, place: Place) -> NDArray[np.float64]:
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    bad = ~np.isfinite(values)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"{place(row)}: column {series.name!r} holds {series.iloc[row]!r}, "
            "expected a finite number"
        )
    return values


def texts_of(series: pd.Series) -> list[str]:
    """Text of every row.

    Lists become ``a|b``, sets too, sorted; missing values "", and whole floats lose their .0.
    """
    texts = []
    for value in series:
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, (set, frozenset)):
            # A set's own order hangs on the process (PYTHONHASHSEED).
            texts.append("|".join(sorted(str(part) for part in value)))
        elif isinstance(value, (list, tuple, np.ndarray)):
            texts.append("|".join(str(part) for part in value))
        elif pd.isna(value):
            texts.append("")
        elif isinstance(value, float) and value.is_integer():
            texts.append(str(int(value)))
        else:
            texts.append(str(value))
    return texts


def one_per_id(
    values: list[str], rows: NDArray[np.int32], ids: list[str], name: str, place: Place
) -> list[str]:
    """Value of each id; two different ones for one id are refused."""
    found: dict[int, str] = {}
    for row, (code, value) in enumerate(zip(rows.tolist(), values, strict=True)):
        if found.setdefault(code, value) != value:
            raise DataError(
                f"{place(row)}: {name} of {ids[code]!r} is {value[:60]!r}, "
                f"but {found[code][:60]!r} before; one id has one {name}"
            )
    return [found.get(code, "") for code in range(len(ids))]


def year_of(text: str, item: str, name: str) -> int | None:
    """Year of an item, written as "1995" or "1995.0"; None for an empty text."""
    if not text:
        return None
    if not _WHOLE.fullmatch(text):
        raise DataError(f"{name}: year {text!r} of item {item!r} is not a year such as 1995")
    return int(float(text))
