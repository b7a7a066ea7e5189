"""Section ``data`` of the run config."""

from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.checks import Section, count, require


@dataclass(frozen=True, kw_only=True)
class Data(Section):
    """The dataset and how its files are read."""

    source: str = "synthetic"  # a name, a file, a folder or "package.module:name"
    format: str = "auto"
    min_item_events: int = 5
    min_user_events: int = 3
    user_column: str = "user"
    item_column: str = "item"
    time_column: str = "time"
    rating_column: str = ""
    title_column: str = ""
    genres_column: str = ""
    year_column: str = ""
    description_column: str = ""
    text_columns: str = ""  # further text of the items, comma-separated
    attribute_columns: str = ""  # what is known of the users, for partition.by
    items: str = ""  # a table of items beside a table of events

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield require(bool(self.source), "data.source", "a name or a path", self.source)
        yield count("data.min-item-events", self.min_item_events)
        yield count("data.min-user-events", self.min_user_events, 3)
