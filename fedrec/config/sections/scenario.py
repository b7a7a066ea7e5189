"""Section ``scenario`` of the run config."""

from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.values.checks import Section, count, fraction, require, share


@dataclass(frozen=True, kw_only=True)
class Scenario(Section):
    """Events that are hidden from training and inputs, to evaluate models on scarce data."""

    cold_items: float = 0.0  # share of items without a training event
    few_shot_items: float = 0.0  # share of items with few training events
    few_shot_events: int = 5  # training events of those, at most
    history: int = 0  # newest events of a user before a target that stay; 0: all
    keep: float = 1.0  # share of each user's training events that stay
    # Share of the users whom no training sees, once for validation and once for the test; they
    # alone are evaluated, by their whole histories.
    unseen_users: float = 0.0

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield share("scenario.cold-items", self.cold_items)
        yield share("scenario.few-shot-items", self.few_shot_items)
        yield count("scenario.few-shot-events", self.few_shot_events)
        yield count("scenario.history", self.history, 0)
        if self.history == 1:
            yield (
                "scenario.history must be 0 (all events) or 2 or more, got 1: of a single event "
                "nothing is learned, as none came before it"
            )
        yield fraction("scenario.keep", self.keep)
        yield require(
            0 <= self.unseen_users < 0.5,
            "scenario.unseen-users",
            "at least 0 and below 0.5 (so many users each for validation and test)",
            self.unseen_users,
        )
        if (both := self.cold_items + self.few_shot_items) > 1:
            yield (
                f"scenario.cold-items and scenario.few-shot-items are shares of one catalogue and "
                f"must be at most 1 together, got {both:g}"
            )

    @property
    def hides_events(self) -> bool:
        """Whether anything is taken out."""
        items = self.cold_items or self.few_shot_items or self.unseen_users
        return bool(items or self.history or self.keep < 1)
