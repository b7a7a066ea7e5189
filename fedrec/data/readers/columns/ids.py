"""Columns of ids and ratings; a ``DataError`` names the row of the first that cannot be used."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedrec.data.readers.columns import Place
from fedrec.data.readers.columns.distinct import distinct_of
from fedrec.errors import DataError


def ids(series: pd.Series, place: Place) -> tuple[NDArray[np.int32], list[str]]:
    """Numbers (E,) of the ids in order of first appearance, and the ids as text."""
    try:
        codes, unique = pd.factorize(series)
    except TypeError:  # lists and objects, as JSON has them
        row = next(row for row, value in enumerate(series) if isinstance(value, list | dict))
        raise DataError(
            f"{place(row)}: column {series.name!r} holds {str(series.iloc[row])[:60]}, expected an "
            "id, text or a whole number"
        ) from None
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        count = f", the first of {(codes < 0).sum():,} such rows" if (codes < 0).sum() > 1 else ""
        raise DataError(f"{place(row)}: column {series.name!r} has no id (empty or NaN){count}")
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


def ratings(series: pd.Series, place: Place) -> NDArray[np.float32]:
    """Finite numbers (E,) of a column."""
    distinct = distinct_of(series)
    if distinct is not None:
        of_values = ratings(distinct.values, distinct.place(place))
        return np.take(of_values, distinct.codes)
    return _finite(series, place).astype(np.float32)


def _finite(series: pd.Series, place: Place) -> NDArray[np.float64]:
    values = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = ~np.isfinite(values)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"{place(row)}: column {series.name!r} holds {series.iloc[row]!r}, "
            "expected a finite number"
        )
    return values
