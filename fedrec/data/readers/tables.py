"""A user's own events: a CSV or parquet file or a DataFrame, with or without a table of items."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedrec.data.catalog import Catalog
from fedrec.data.interactions import Interactions, checked_times, drop_exact_duplicates
from fedrec.data.readers.csv_text import clean_texts, decoded, read_csv
from fedrec.errors import DataError, ResourceError

Place = Callable[[int], str]

_WHOLE = re.compile(r"\d{1,4}(\.0)?")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column holds what; each name is the key ``data.<name>-column`` of a config.

    User, item and time columns must be there under the names given; ``time=""`` says that the
    rows are in time order. The other names may be empty: the column of the standard name (rating,
    title, genres, year, description) is then used if there is one.

    Args:
        user: ids, read as text.
        item: ids, read as text.
        time: numbers (seconds or milliseconds, one unit) or ISO dates.
        rating: finite numbers.
        title: of the item.
        genres: names separated by ``|``, or lists.
        year: of the item.
        description: of the item.
        items: path of a separate table of items (CSV or parquet), which then holds title, genres,
            year, description and texts; its item column has the same name.
        texts: further text columns of the items.
        attributes: columns that say something of the user (gender, age, ...).
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

    def column(self, name: str, key: str) -> pd.Series:
        """The column of a name that must be there; the key is what the user would change."""
        if name in self.frame.columns:
            return self.frame[name]
        seen = [str(column) for column in self.frame.columns]
        hint = ", a separator other than a comma?" if len(seen) == 1 else ""
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
        frame: one row per event.
        columns: which column holds what.
        name: for messages.
        place: where a row stands, for messages; its number by default.

    Raises:
        DataError: names the row and the column that cannot be used.
    """
    return _load(_Source(name, frame, place or (lambda row: f"{name}, row {row}")), columns)


def load_table(path: Path, columns: Columns) -> Interactions:
    """Interactions of a ``.csv``, ``.tsv`` or ``.parquet`` file, see ``load_frame``.

    Raises:
        DataError: the file cannot be read or holds what cannot be used; names the line.
        ResourceError: parquet without pyarrow.
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
    return _Source(name, pd.DataFrame(table.columns, dtype=object), table.place)


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
    users, user_ids = _ids(source.column(columns.user, "user-column"), source.place)
    items, item_ids = _ids(source.column(columns.item, "item-column"), source.place)
    times: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ("no time column: the order of the rows is the time order",)
    if columns.time:
        times, notes = _times(source.column(columns.time, "time-column"), source.place), ()
    rating = source.optional(columns.rating, "rating")
    attributes = {
        name: _one_per_id(
            _texts(source.column(name, "attribute-columns")), users, user_ids, name, source.place
        )
        for name in columns.attributes
    }
    skipped: dict[str, int] = {}
    if columns.items:
        table = _open(Path(columns.items), "data.items")
        rows, listed = _ids(table.column(columns.item, "item-column"), table.place)
        number = {item: position for position, item in enumerate(listed)}
        lacking = [item for item in item_ids if item not in number]
        number |= {item: len(listed) + i for i, item in enumerate(lacking)}
        items = np.array([number[item] for item in item_ids], dtype=np.int32)[items]
        item_ids = listed + lacking
        catalog, repaired = _catalog(table, columns, rows, item_ids)
        skipped = {
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
            None if rating is None else _ratings(rating, source.place),
            catalog,
            attributes,
            {name: n for name, n in (skipped | repaired).items() if n},
            notes,
        )
    )


def _catalog(
    source: _Source, columns: Columns, rows: NDArray[np.int32], item_ids: list[str]
) -> tuple[Catalog, dict[str, int]]:
    """Catalogue of the items in ``item_ids``; ``rows`` says which item a row of the table is."""
    repaired: dict[str, int] = {}

    def texts(series: pd.Series | None, name: str) -> list[str]:
        if series is None:
            return [""] * len(item_ids)
        values = _one_per_id(_texts(series), rows, item_ids, name, source.place)
        cleaned, counts = clean_texts(values)
        for what, count in counts.items():
            repaired[what] = repaired.get(what, 0) + count
        return cleaned

    genres = texts(source.optional(columns.genres, "genres"), "genres")
    years = texts(source.optional(columns.year, "year"), "year")
    catalog = Catalog(
        item_ids,
        texts(source.optional(columns.title, "title"), "title"),
        [tuple(part.strip() for part in text.split("|") if part.strip()) for text in genres],
        [_year(year, item, source.name) for year, item in zip(years, item_ids, strict=True)],
        texts(source.optional(columns.description, "description"), "description"),
        {name: texts(source.column(name, "text-columns"), name) for name in columns.texts},
    )
    return catalog, repaired


def _ids(series: pd.Series, place: Place) -> tuple[NDArray[np.int32], list[str]]:
    """Numbers of the ids in order of first appearance, and the ids as text."""
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


def _times(series: pd.Series, place: Place) -> NDArray[np.int64]:
    """Times as int64: whole numbers in their own unit, fractions and dates in milliseconds."""
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


def _ratings(series: pd.Series, place: Place) -> NDArray[np.float32]:
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


def _texts(series: pd.Series) -> list[str]:
    """Text of every row: lists become ``a|b``, missing values "", whole floats lose their .0."""
    texts = []
    for value in series:
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, (list, tuple, set, np.ndarray)):
            texts.append("|".join(str(part) for part in value))
        elif pd.isna(value):
            texts.append("")
        elif isinstance(value, float) and value.is_integer():
            texts.append(str(int(value)))
        else:
            texts.append(str(value))
    return texts


def _one_per_id(
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


def _year(text: str, item: str, name: str) -> int | None:
    if not text:
        return None
    if not _WHOLE.fullmatch(text):
        raise DataError(f"{name}: year {text!r} of item {item!r} is not a year such as 1995")
    return int(float(text))
