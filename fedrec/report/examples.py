"""A user whose history and recommendations a report shows, where they were asked for."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ExampleItem:
    """One recommendation.

    Attributes:
        title: Title of the item.
        is_target: Whether it is the test item.
    """

    title: str
    is_target: bool


@dataclass(frozen=True)
class Example:
    """One user of a run.

    Attributes:
        user: Number of the user in the run; no original id.
        events: Number of events before the test item.
        history: Titles of the last ones, oldest first.
        target: Title of the test item.
        rank: Its rank, as it is shown.
        top: The first recommendations.
    """

    user: int
    events: int
    history: Sequence[str]
    target: str
    rank: str
    top: Sequence[ExampleItem]
