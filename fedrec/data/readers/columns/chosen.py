"""The names of the columns of a user's own table."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column holds what; each name is the key ``data.<name>-column`` of a config.

    User, item and time columns must be there under the names given, or where that is the default,
    under a usual one (``usual_names``); ``time=""`` says that the rows are in time order. The other
    names may be empty: the column of the standard name (rating, title, genres, year, description),
    else of a usual one, is then used if there is one.

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
