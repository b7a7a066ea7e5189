"""A user's own events: a file of any table format or a DataFrame, with or without one of items."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedrec.data.interactions import Interactions, drop_exact_duplicates
from fedrec.data.readers.columns import Place
from fedrec.data.readers.columns.chosen import Columns
from fedrec.data.readers.columns.ids import ids, ratings
from fedrec.data.readers.columns.texts import coded_texts, one_per_id
from fedrec.data.readers.columns.times import EventTimes, event_times
from fedrec.data.readers.columns.usual_names import told
from fedrec.data.readers.columns.zones import zones_note
from fedrec.data.readers.table_files.guess import usual_of_items, usual_rating, with_usual_names
from fedrec.data.readers.table_files.items import items_catalog, joined_items
from fedrec.data.readers.table_files.read import read_table
from fedrec.data.readers.table_files.source import TableSource

__all__ = ["Columns", "load_frame", "load_table"]

_NoTimes = tuple[None, None]


def load_frame(
    frame: pd.DataFrame,
    columns: Columns,
    *,
    name: str = "frame",
    place: Place | None = None,
    guess: bool = True,
) -> Interactions:
    """Interactions of a DataFrame; users and items are numbered as they first appear.

    With a table of items, items are numbered as that table lists them; events of items that it
    lacks are kept, with an empty title, and counted.

    Args:
        frame: One row per event.
        columns: Names of the columns, by what they hold.
        name: Name of the table, for messages.
        place: Where a row stands, for messages; its number by default.
        guess: Find columns that have no name as in ``columns`` by their usual names, and note it.

    Raises:
        DataError: The message names the row and the column that cannot be used.
    """
    source = TableSource(name, frame, place or (lambda row: f"{name}, row {row}"))
    return resolved_table(source, columns, guess=guess).interactions


def load_table(path: Path, columns: Columns, format: str = "auto") -> Interactions:
    """Interactions of a file or of the one table in a folder or archive, see ``read_table``.

    Args:
        path: CSV, JSON lines, parquet or Excel, packed or not.
        columns: Names of the columns, by what they hold.
        format: "auto", or the format that it must have.

    Raises:
        DataError: The file cannot be read or holds what cannot be used; names the line.
        ResourceError: A package that reads the format is missing.
    """
    return resolved_table(read_table(path, "data.source", format), columns).interactions


class ResolvedTable(NamedTuple):
    """Events of a table, with the columns that they came from.

    Attributes:
        interactions: The events.
        columns: Names of the columns; "" where there is none.
        found: Role -> column, of those that were found by their usual names.
    """

    interactions: Interactions
    columns: Columns
    found: dict[str, str]


def resolved_table(source: TableSource, columns: Columns, *, guess: bool = True) -> ResolvedTable:
    """Events of a table that is read, see ``load_frame``.

    Raises:
        DataError: The message names the row and the column that cannot be used.
    """
    source.check_shape()
    found: dict[str, str] = {}
    if guess:
        columns, found = with_usual_names(source, columns)
    users, user_ids = ids(source.column(columns.user, "user-column"), source.place)
    items, item_ids = ids(source.column(columns.item, "item-column"), source.place)
    (times, precise), notes = _times(source, columns)
    attributes, skipped = _attributes(source, columns, users, user_ids)
    described, rows = source, items
    if columns.items:
        described = read_table(Path(columns.items), "data.items")
        described.check_shape()
        rows, items, item_ids, counts = joined_items(described, columns.item, items, item_ids)
        skipped |= counts
    if guess:
        columns, usual = usual_of_items(described, columns, rows, item_ids)
        found |= usual
        columns, usual = usual_rating(source, columns)
        found |= usual
    catalog, repaired = items_catalog(described, columns, rows, item_ids)
    rating = source.optional(columns.rating, "rating")
    about = [told(found)] if found else []
    interactions = drop_exact_duplicates(
        Interactions(
            user_ids,
            item_ids,
            users,
            items,
            times,
            None if rating is None else ratings(source.numbers(rating), source.place),
            catalog,
            attributes,
            {name: n for name, n in (skipped | repaired).items() if n},
            (*about, *notes),
            precise,
        )
    )
    return ResolvedTable(interactions, columns, found)


def _times(source: TableSource, columns: Columns) -> tuple[EventTimes | _NoTimes, list[str]]:
    """Times of the events, with notes on them."""
    if not columns.time:
        return (None, None), ["no time column: the order of the rows is the time order"]
    stamps = source.numbers(source.column(columns.time, "time-column"))
    return event_times(stamps, source.place), zones_note(stamps)


def _attributes(
    source: TableSource, columns: Columns, users: NDArray[np.int32], user_ids: list[str]
) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Attributes of the users, and how many of their rows were filled."""
    found: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for name in columns.attributes:
        texts = coded_texts(source.column(name, "attribute-columns"))
        found[name], filled = one_per_id(texts, users, user_ids, name, source.place)
        counts |= filled
    return found, counts
