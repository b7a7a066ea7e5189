"""The items of a user's own table: the catalogue, maybe from a table of its own."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedrec.data.catalog import Catalog
from fedrec.data.readers.columns.chosen import Columns
from fedrec.data.readers.columns.ids import ids
from fedrec.data.readers.columns.texts import (
    coded_texts,
    one_per_id,
    same_genres,
    same_words,
    same_year,
    year_of,
)
from fedrec.data.readers.columns.usual_names import find_usual
from fedrec.data.readers.raw.csv_text import clean_texts
from fedrec.data.readers.table_files.source import TableSource


class JoinedItems(NamedTuple):
    """Items numbered as their own table lists them, those that it lacks behind.

    Attributes:
        rows: (R,) item of each row of the table of items.
        items: (E,) item of each event.
        item_ids: V ids.
        counts: What was skipped or is lacking -> how often.
    """

    rows: NDArray[np.int32]
    items: NDArray[np.int32]
    item_ids: list[str]
    counts: dict[str, int]


def joined_items(
    table: TableSource, column: str, items: NDArray[np.int32], item_ids: list[str]
) -> JoinedItems:
    """Number the items of the events as a table of items lists them.

    Args:
        table: Table of items.
        column: Item column of the events; where the table lacks it, one of a usual name counts.
        items: (E,) item of each event, a position in ``item_ids``.
        item_ids: Ids in the events.

    Raises:
        DataError: The table has no such column, or a row without an id.
    """
    if column not in table.columns:
        column = find_usual("item", table.columns, taken=(), table=table.name) or column
    rows, listed = ids(table.column(column, "item-column"), table.place)
    joined = joined_ids(listed, items, item_ids)
    repeated = {"repeated rows of the items table": len(rows) - len(listed)}
    return joined._replace(rows=rows, counts=repeated | joined.counts)


def joined_ids(listed: list[str], items: NDArray[np.int32], item_ids: list[str]) -> JoinedItems:
    """Number the items of the events as a list of ids does, in which each stands once.

    Args:
        listed: Ids of a table of items.
        items: (E,) item of each event, a position in ``item_ids``.
        item_ids: Ids in the events.
    """
    number = {item: position for position, item in enumerate(listed)}
    lacking = [item for item in item_ids if item not in number]
    number |= {item: len(listed) + i for i, item in enumerate(lacking)}
    renumbered = np.array([number[item] for item in item_ids], dtype=np.int32)[items]
    rows = np.arange(len(listed), dtype=np.int32)
    counts = {"items not in the catalogue": len(lacking)}
    return JoinedItems(rows, renumbered, listed + lacking, counts)


def items_catalog(
    source: TableSource, columns: Columns, rows: NDArray[np.int32], item_ids: list[str]
) -> tuple[Catalog, dict[str, int]]:
    """The catalogue of items, and how often its texts were repaired.

    Args:
        source: Table with titles, genres, years, descriptions and texts.
        columns: Names of those columns.
        rows: (E,) which of ``item_ids`` a row of the table is of.
        item_ids: V ids.

    Raises:
        DataError: A column that is not there, or an item with two titles and the like.
    """
    repaired: dict[str, int] = {}

    def texts(
        series: pd.Series | None, name: str, same: Callable[[str], str] = same_words
    ) -> list[str]:
        if series is None:
            return [""] * len(item_ids)
        values, filled = one_per_id(coded_texts(series), rows, item_ids, name, source.place, same)
        cleaned, counts = clean_texts(values)
        for what, count in (filled | counts).items():
            repaired[what] = repaired.get(what, 0) + count
        return cleaned

    genres = texts(source.optional(columns.genres, "genres"), "genres", same_genres)
    years = texts(source.optional(columns.year, "year"), "year", same_year)
    catalog = Catalog(
        item_ids,
        texts(source.optional(columns.title, "title"), "title"),
        [tuple(part.strip() for part in text.split("|") if part.strip()) for text in genres],
        [year_of(year, item, source.name) for year, item in zip(years, item_ids, strict=True)],
        texts(source.optional(columns.description, "description"), "description"),
        {name: texts(source.column(name, "text-columns"), name) for name in columns.texts},
    )
    return catalog, repaired
