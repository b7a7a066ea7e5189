"""Columns of a table by their usual names, where what they hold fits."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedrec.data.readers.columns.chosen import Columns
from fedrec.data.readers.columns.distinct import distinct_of
from fedrec.data.readers.columns.texts import coded_texts, one_per_id, same_genres, same_words
from fedrec.data.readers.columns.usual_names import REQUIRED, find_required, find_usual
from fedrec.data.readers.table_files.source import NO_HEADER, TableSource
from fedrec.errors import DataError

_ORDER = ("user", "item", "rating", "time")
_MOST_RATINGS, _EARLIEST = 10.0, 1e8  # five stars in halves or ten points; seconds of March 1973
_OF_ITEMS = ("title", "genres", "description")
Found = tuple[Columns, dict[str, str]]  # the columns, and role -> column of those that were found


def with_usual_names(source: TableSource, columns: Columns) -> Found:
    """Columns of user, item and time, of a usual name where the default one is not there.

    Four columns of numbers without a header line are user, item, rating and time where they can be:
    MovieLens, PFedRec and others publish events in this order.

    Raises:
        DataError: Several columns may be meant.
    """
    if _in_usual_order(source, columns):
        placed = dict(zip(_ORDER, source.columns, strict=True))
        return _named(columns, placed), placed
    asked = {role: getattr(columns, role) for role in REQUIRED}
    found = find_required(asked, source.columns, taken=_taken(columns), table=source.name)
    return _named(columns, found), found


def usual_of_items(
    source: TableSource, columns: Columns, rows: NDArray[np.int32], item_ids: list[str]
) -> Found:
    """Columns that describe the items; one that differs between rows of an item is none.

    Raises:
        DataError: Several columns may be meant.
    """
    found: dict[str, str] = {}
    for role in _OF_ITEMS:
        column = _usual(role, source, columns, found)
        same = same_genres if role == "genres" else same_words
        if column:
            texts = coded_texts(source.frame[column])
            try:
                one_per_id(texts, rows, item_ids, role, source.place, same)
            except DataError:  # of the event or the user, then
                continue
            found[role] = column
    return _named(columns, found), found


def usual_rating(source: TableSource, columns: Columns) -> Found:
    """Column of the rating, if all its values are numbers.

    Raises:
        DataError: Several columns may be meant.
    """
    column = _usual("rating", source, columns, {})
    if not column:
        return columns, {}
    values = source.numbers(source.frame[column])
    distinct = distinct_of(values)
    numbers = pd.to_numeric(values if distinct is None else distinct.values, errors="coerce")
    if not np.isfinite(numbers.to_numpy(dtype=np.float64, na_value=np.nan)).all():
        return columns, {}
    return replace(columns, rating=column), {"rating": column}


def _in_usual_order(source: TableSource, columns: Columns) -> bool:
    """Whether no column is named, and four without names hold what `_ORDER` says."""
    is_bare = NO_HEADER in source.kind and len(source.columns) == len(_ORDER)
    if not is_bare or any(getattr(columns, role) != getattr(Columns(), role) for role in _ORDER):
        return False
    table = source.frame.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    users, items, ratings, times = table.T
    whole = all(np.array_equal(values, np.floor(values)) for values in (users, items, times))
    return bool(
        whole
        and (ratings >= 0).all()
        and (ratings <= _MOST_RATINGS).all()
        and (times >= _EARLIEST).all()
    )


def _named(columns: Columns, found: Mapping[str, Any]) -> Columns:
    return replace(columns, **found)


def _usual(role: str, source: TableSource, columns: Columns, found: dict[str, str]) -> str:
    """A column of a usual name for a role that has no column yet; "" where there is none."""
    if getattr(columns, role) or role in source.columns:
        return ""
    taken = {*_taken(columns), *found.values()}
    return find_usual(role, source.columns, taken=taken, table=source.name)


def _taken(columns: Columns) -> set[str]:
    """Columns that a config names, whatever they hold."""
    named = {columns.rating, columns.title, columns.genres, columns.year, columns.description}
    return {*named, *columns.texts, *columns.attributes, *(getattr(columns, r) for r in REQUIRED)}
