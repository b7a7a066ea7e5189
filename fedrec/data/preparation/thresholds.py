"""Which items and users are kept, and what a user is: thresholds and sessions of ``data``."""

from dataclasses import dataclass
from typing import Any

from fedrec.data.day_sessions import day_sessions
from fedrec.data.interactions import Interactions, Prepared, to_sequences
from fedrec.data.storable import storable
from fedrec.data.top_items import keep_top_items
from fedrec.errors import ConfigError


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of a preparation.

    Attributes:
        min_item_events: Items with fewer events are dropped, in one pass.
        min_user_events: Users with fewer remaining events are dropped.
        top_items: So many most frequent items are kept behind that; 0 keeps all.
        sessions: "day" makes a user of each day of a person, before anything is counted; or "".
    """

    min_item_events: int
    min_user_events: int
    top_items: int
    sessions: str = ""

    @property
    def options(self) -> dict[str, int | str]:
        """What the data depends on, as keys of its folder and manifest."""
        least: dict[str, int | str] = {
            "min_item_events": self.min_item_events,
            "min_user_events": self.min_user_events,
        }
        more: dict[str, int | str] = {"top_items": self.top_items, "sessions": self.sessions}
        return least | {name: value for name, value in more.items() if value}

    def apply(
        self, interactions: Interactions, facts: dict[str, Any]
    ) -> tuple[Prepared, dict[str, Any]]:
        """Sequences of what is kept, and facts of the manifest, with the options among them.

        Args:
            interactions: Events of a reader.
            facts: Facts about the source.

        Raises:
            ConfigError: A threshold that cannot be, of these data or at all.
            DataError: Sessions of events without times, no user or fewer than two items remain.
        """
        if self.top_items and "domains" in facts:
            raise ConfigError(
                f"data.top-items must be 0 where data.source joins {len(facts['domains'])} "
                f"sources (the largest would take all places), got {self.top_items}"
            )
        if self.sessions:
            interactions = day_sessions(interactions)
        prepared = to_sequences(
            storable(interactions),
            min_item_events=self.min_item_events,
            min_user_events=self.min_user_events,
        )
        found = facts | self.options
        if self.top_items:
            prepared, found["top_items"] = keep_top_items(
                prepared, self.top_items, min_user_events=self.min_user_events
            )
        return prepared, found | {"notes": list(interactions.notes)}

    def check_prepared(self, source: str, facts: dict[str, Any]) -> None:
        """Refuse a prepared folder of another ``data.top-items`` or ``data.sessions``.

        Raises:
            ConfigError: It holds other items, or other users.
        """
        if self.sessions and facts.get("sessions", "") != self.sessions:
            raise ConfigError(
                f"data.sessions is {self.sessions!r}, but {source} was prepared without it; "
                "prepare its source again, or leave data.sessions out"
            )
        made = facts.get("top_items", {}).get("items", 0)
        if self.top_items not in (0, made):
            raise ConfigError(
                f"data.top-items is {self.top_items}, but {source} was prepared with {made}; "
                "prepare its source again, or set data.top-items to 0"
            )
