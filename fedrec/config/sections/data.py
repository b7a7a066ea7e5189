"""Sections of the run config that say what is learned from: data, and what the data say."""

from dataclasses import dataclass

from fedrec.config.checks import count, fraction, rate, require, share
from fedrec.config.choices import names_in
from fedrec.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Data:
    """Which interactions, read how."""

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

    def __post_init__(self) -> None:
        require(bool(self.source), "data.source", "a name or a path", self.source)
        count("data.min-item-events", self.min_item_events)
        count("data.min-user-events", self.min_user_events, 3)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is taken out of training, to see how a model does where data is scarce."""

    cold_items: float = 0.0  # share of the items that are never seen before they are a target
    few_shot_items: float = 0.0  # share of the items that are seldom seen in training
    few_shot_events: int = 5  # how often those are, at most
    history: int = 0  # events of a user before a target that are seen, the newest; 0: all
    keep: float = 1.0  # share of each user's training events that are seen

    def __post_init__(self) -> None:
        share("scenario.cold-items", self.cold_items)
        share("scenario.few-shot-items", self.few_shot_items)
        count("scenario.few-shot-events", self.few_shot_events)
        count("scenario.history", self.history, 0)
        if self.history == 1:
            raise ConfigError(
                "scenario.history must be 0 (all events) or 2 or more, got 1: of a single event "
                "nothing is learned, as none came before it"
            )
        fraction("scenario.keep", self.keep)
        if (both := self.cold_items + self.few_shot_items) > 1:
            raise ConfigError(
                f"scenario.cold-items and scenario.few-shot-items are shares of one catalogue and "
                f"must be at most 1 together, got {both:g}"
            )

    @property
    def hides_events(self) -> bool:
        """Whether anything is taken out."""
        return bool(self.cold_items or self.few_shot_items or self.history or self.keep < 1)


@dataclass(frozen=True, kw_only=True)
class Partition:
    """Which users each SuperNode holds."""

    count: int = 10
    by: str = "uniform"
    alpha: float = 0.5  # of the Dirichlet of by = "taste"

    def __post_init__(self) -> None:
        count("partition.count", self.count)
        rate("partition.alpha", self.alpha)
        require(bool(self.by), "partition.by", "a rule or an attribute of the users", self.by)


@dataclass(frozen=True, kw_only=True)
class Semantics:
    """The frozen table of item meanings."""

    encoder: str = "minilm"
    revision: str = ""
    fields: str = "title,genres,year"
    width: int = 128
    whiten: bool = True
    shuffled: bool = False  # control: every item gets another item's meaning

    def __post_init__(self) -> None:
        require(bool(self.encoder), "semantics.encoder", "an encoder's name", self.encoder)
        require(bool(names_in(self.fields)), "semantics.fields", "a list", self.fields)
        count("semantics.width", self.width)
