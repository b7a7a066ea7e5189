"""Section ``data`` of the run config."""

from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.values.checks import Section, count, require
from fedrec.config.values.choices import SESSIONS


@dataclass(frozen=True, kw_only=True)
class Data(Section):
    """The dataset and how its files are read."""

    # A name, a file, a folder or "package.module:name"; several, joined by " + ", are domains.
    source: str = "synthetic"
    format: str = "auto"  # layout of the source; auto looks at the files
    # Items with fewer events are dropped, once, before users are counted; 0 keeps all.
    min_item_events: int = 5
    min_user_events: int = 3  # users with fewer remaining events are dropped
    # Only so many most frequent items are kept, by their training events; 0 keeps all.
    top_items: int = 0
    sessions: str = ""  # "day" makes a user of each day of a person, by the date in UTC
    user_column: str = "user"  # column of the user's id, in a table of events
    item_column: str = "item"  # column of the item's id
    # Column of the time: numbers of one unit or ISO dates; empty for rows in time order.
    time_column: str = "time"
    rating_column: str = ""  # column of the rating, which is kept and not learned from
    title_column: str = ""  # column of the item's title
    genres_column: str = ""  # column of the item's genres, separated by |
    year_column: str = ""  # column of the item's year
    description_column: str = ""  # column of the item's description
    # Further text columns of the items, comma-separated, for semantics.fields.
    text_columns: str = ""
    # Columns that describe the users, comma-separated, for partition.by.
    attribute_columns: str = ""
    items: str = ""  # a table of items beside a table of events, sequences or RecBole's files

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield require(bool(self.source), "data.source", "a name or a path", self.source)
        yield count("data.min-item-events", self.min_item_events, 0)
        yield count("data.min-user-events", self.min_user_events, 3)
        yield count("data.top-items", self.top_items, 0)
        known = self.sessions in SESSIONS
        yield require(known, "data.sessions", "'' (a user is a person) or 'day'", self.sessions)
        if self.top_items == 1:
            yield "data.top-items must be 0 (all items) or 2 or more: one is no ranking, got 1"
