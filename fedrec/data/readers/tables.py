"""A user's own events: a CSV or parquet file or a DataFrame, with or without a table of items."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedrec.data.catalog import Catalog
from fedrec.data.interactions import Interactions, drop_exact_duplicates
from fedrec.data.readers.columns import Place
from fedrec.data.readers.columns.ids import ids, ratings
from fedrec.data.readers.columns.texts import (
    one_per_id,
    same_genres,
    same_words,
    same_year,
    texts_of,
    year_of,
)
from fedrec.data.readers.columns.times import event_times
from fedrec.data.readers.csv_text import clean_texts, decoded, read_csv
from fedrec.errors import DataError, ResourceError


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column holds what; each name is the key ``data.<name>-column`` of a config.

    User, item and time columns must be there under the names given; ``time=""`` says that the
    rows are in time order. The other names may be empty: the column of the standard name (rating,
    title, genres, year, description) is then used if there is one.

    Args:
        user: Ids, read as text.
        item: Ids, read as text.
        time: Numbers of one unit (seconds to nanoseconds), ISO dates, or dates of pandas or Python.
        rating: Finite numbers.
        title: Title of the item.
        genres: Names separated by ``|``, or lists.
        year: Year of the item.
        description: Description of the item.
        items: Path of a separate table of items (CSV or parquet), which then holds title, genres,
            year, description and texts; its item column has the same name.
        texts: Further text columns of the items.
        attributes: Columns that say something of the user (gender, age, ...).
    """

    user: str = "user"
    item: str = "item"
    time: str = "time"
    rating: str = ""
    title: str = ""
    genres: str = ""
    year: str = ""
    description: str = ""
    items: str = ""
    texts: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Source:
    """A table with a way to name its rows in messages."""

    name: str
    frame: pd.DataFrame
    place: Place
    is_text: bool = False  # read from a CSV file, whose separator may be another

    def column(self, name: str, key: str) -> pd.Series:
        """The column of a name that must be there; the key is what the user would change."""
        if name in self.frame.columns:
            return self.frame[name]
        seen = [str(column) for column in self.frame.columns]
        hint = ", a separator other than a comma?" if self.is_text and len(seen) == 1 else ""
        extra = ', or to "" when the rows are in time order' if key == "time-column" else ""
        raise DataError(
            f"{self.name} has no column {name!r}, its columns are {seen}{hint}; "
            f"set data.{key} to the one that is meant{extra}"
        )

    def optional(self, name: str, standard: str) -> pd.Series | None:
        """The column named, the standard one when no name is given, or None."""
        if name:
            return self.column(name, f"{standard}-column")
        return self.frame[standard] if standard in self.frame.columns else None


def load_frame(
    frame: pd.DataFrame, columns: Columns, *, name: str = "frame", place: Place | None = None
) -> Interactions:
    """Interactions of a DataFrame; users and items are numbered as they first appear.

    With a table of items, items are numbered as that table lists them; events of items that it
    lacks are kept, with an empty title, and counted.

    Args:
        frame: One row per event.
        columns: Names of the columns, by what they hold.
        name: Name of the table, for messages.
        place: Where a row stands, for messages; its number by default.

    Raises:
        DataError: The message names the row and the column that cannot be used.
    """
    return _load(_Source(name, frame, place or (lambda row: f"{name}, row {row}")), columns)


def load_table(path: Path, columns: Columns) -> Interactions:
    """Interactions of a ``.csv``, ``.tsv`` or ``.parquet`` file, see ``load_frame``.

    Raises:
        DataError: The file cannot be read or holds what cannot be used; names the line.
        ResourceError: Parquet without pyarrow.
    """
    return _load(_open(path, "data.source"), columns)


def _open(path: Path, key: str) -> _Source:
    if not path.is_file():
        raise DataError(f"{path} does not exist; set {key} to a file that does")
    name = path.name
    if path.suffix.lower() == ".parquet":
        return _Source(name, _read_parquet(path), lambda row: f"{name}, row {row}")
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    table = read_csv(decoded(path.read_bytes(), name=name), name=name, separator=separator)
    return _Source(name, pd.DataFrame(table.columns, dtype=object), table.place, is_text=True)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ResourceError(
            f"reading {path.name} needs pyarrow: pip install pyarrow, or save the table as CSV"
        ) from None
    try:
        return pd.read_parquet(path, engine="pyarrow")
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} is no whole parquet file: {error}") from error


def _load(source: _Source, columns: Columns) -> Interactions:
    if len(source.frame) == 0:
        raise DataError(f"{source.name} has no rows; one row per event is needed")
    doubled = source.frame.columns[source.frame.columns.duplicated()]
    if len(doubled):
        raise DataError(f"{source.name}: column {doubled[0]!r} appears more than once")
    users, user_ids = ids(source.column(columns.user, "user-column"), source.place)
    items, item_ids = ids(source.column(columns.item, "item-column"), source.place)
    times, precise = None, None
    notes: tuple[str, ...] = ("no time column: the order of the rows is the time order",)
    if columns.time:
        times, precise = event_times(source.column(columns.time, "time-column"), source.place)
        notes = ()
    rating = source.optional(columns.rating, "rating")
    skipped: dict[str, int] = {}
    attributes: dict[str, list[str]] = {}
    for name in columns.attributes:
        told = texts_of(source.column(name, "attribute-columns"))
        attributes[name], filled = one_per_id(told, users, user_ids, name, source.place)
        skipped |= filled
    if columns.items:
        table = _open(Path(columns.items), "data.items")
        rows, listed = ids(table.column(columns.item, "item-column"), table.place)
        number = {item: position for position, item in enumerate(listed)}
        lacking = [item for item in item_ids if item not in number]
        number |= {item: len(listed) + i for i, item in enumerate(lacking)}
        items = np.array([number[item] for item in item_ids], dtype=np.int32)[items]
        item_ids = listed + lacking
        catalog, repaired = _catalog(table, columns, rows, item_ids)
        skipped |= {
            "repeated rows of the items table": len(rows) - len(listed),
            "items not in the catalogue": len(lacking),
        }
    else:
        catalog, repaired = _catalog(source, columns, items, item_ids)
    return drop_exact_duplicates(
        Interactions(
            user_ids,
            item_ids,
            users,
            items,
            times,
            None if rating is None else ratings(rating, source.place),
            catalog,
            attributes,
            {name: n for name, n in (skipped | repaired).items() if n},
            notes,
            precise,
        )
    )


def _catalog(
    source: _Source, columns: Columns, rows: NDArray[np.int32], item_ids: list[str]
) -> tuple[Catalog, dict[str, int]]:
    """Catalogue of the items in ``item_ids``; ``rows`` says which item a row of the table is."""
    repaired: dict[str, int] = {}

    def texts(
        series: pd.Series | None, name: str, same: Callable[[str], str] = same_words
    ) -> list[str]:
        if series is None:
            return [""] * len(item_ids)
        values, filled = one_per_id(texts_of(series), rows, item_ids, name, source.place, same)
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
