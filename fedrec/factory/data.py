"""From a run config to its prepared data: events, training view, partition, embedding table."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from fedrec.config.config import Config
from fedrec.config.sections.data import Data
from fedrec.config.sections.partition import Partition
from fedrec.config.sections.scenario import Scenario
from fedrec.config.sections.semantics import Semantics
from fedrec.config.values.choices import OF_USERS, names_in, sources_in
from fedrec.data.catalog import REVIEWS
from fedrec.data.evaluated import evaluated_users
from fedrec.data.partitions.assign import assign
from fedrec.data.partitions.rules import PartitionFacts
from fedrec.data.preparation.sources import downloaded
from fedrec.data.preparation.store import Dataset, open_dataset, prepare
from fedrec.data.readers.movielens import load_movielens
from fedrec.data.readers.tables import Columns
from fedrec.data.scenarios import (
    TrainingView,
    cold_items,
    few_shot_items,
    training_view,
    unseen_users,
    view_mask,
)
from fedrec.data.sequences import Sequences
from fedrec.data.splits import training_part
from fedrec.evaluation.leave_one_out import Fixed
from fedrec.evaluation.ncf import item_order, ncf_candidates, read_ncf
from fedrec.factory.table import make_table, needs_table
from fedrec.files.home import home
from fedrec.semantics.table import EmbeddingTable


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Settings that decide what is prepared.

    Attributes:
        data: Section ``data``.
        scenario: Section ``scenario``.
        partition: Section ``partition``.
        semantics: Section ``semantics``, or None if the model reads no embedding table.
        taste: Section ``semantics`` where users are partitioned by its embeddings, else None.
        has_user_rows: Whether the model has a row per user; see ``padded_first``.
        reads_reviews: Whether the texts of reviews are encoded, where the source has any.
        validation_users: Users whose validation items are held out; 0 for all.
        ncf_negatives: File of the protocol "ncf-99", or "" under other protocols.
        seed: Seed of the run.
        home: Folder of ``FEDREC_HOME``.
        files: Inode, size and time of the source files, None for what is no file.
    """

    data: Data
    scenario: Scenario
    partition: Partition
    semantics: Semantics | None
    taste: Semantics | None
    has_user_rows: bool
    reads_reviews: bool
    validation_users: int
    ncf_negatives: str
    seed: int
    home: Path
    files: tuple[tuple[int, int, int] | None, ...]


class PreparedData:
    """Prepared data of a run, resolved once from its config; each part is computed when first used.

    ``open_prepared`` makes it. Two objects are never equal, so that one can be the key of a cache.

    Attributes:
        settings: What decides it.
        dataset: Prepared dataset on disk, with its catalogue.
    """

    def __init__(self, settings: DataSettings, dataset: Dataset) -> None:
        self.settings = settings
        self.dataset = dataset

    @cached_property
    def full_training(self) -> Sequences:
        """Training parts of all users; no scenario hides any of them."""
        return training_part(self.dataset.sequences)

    @cached_property
    def view(self) -> TrainingView:
        """Training view: what models get to see of the data under the run's scenario.

        Raises:
            ConfigError: A share of the items that is no item, or more validation users than users.
        """
        scenario, seed = self.settings.scenario, self.settings.seed
        if users := self.settings.validation_users:
            num_users = self.dataset.sequences.num_users
            validates = evaluated_users(num_users, "validation", seed=seed, validation=users)
            return TrainingView(training_part(self.dataset.sequences, validates))
        if not scenario.hides_events:
            return TrainingView(self.full_training)
        sequences, num_items = self.dataset.sequences, self.dataset.catalog.num_items
        cold = cold_items(scenario.cold_items, seed=seed, num_items=num_items)
        in_view = view_mask(
            sequences,
            cold=cold,
            few_shot=few_shot_items(scenario.few_shot_items, cold=cold, seed=seed),
            few_shot_events=scenario.few_shot_events,
            keep=scenario.keep,
            seed=seed,
        )
        unseen = None
        if share := scenario.unseen_users:
            unseen_at = unseen_users(share, seed=seed, num_users=sequences.num_users)
            unseen = unseen_at["validation"] | unseen_at["test"]
        return training_view(sequences, in_view, scenario.history, unseen)

    @cached_property
    def model_view(self) -> TrainingView:
        """The training view as the model is trained on it; see ``padded_first``."""
        return padded_first(self.view) if self.settings.has_user_rows else self.view

    @cached_property
    def assignment(self) -> np.ndarray:
        """(U,) partition number of every user, the same in every scenario."""
        rule = self.settings.partition
        return assign(rule.by, rule.count, self.partition_facts)

    @cached_property
    def partition_facts(self) -> PartitionFacts:
        """What a partition rule may look at."""
        return PartitionFacts(
            sequences=self.full_training,
            genres=self.dataset.catalog.genre_matrix(),
            genre_names=self.dataset.catalog.genre_names(),
            attributes=self.dataset.attributes,
            embeddings=self._tastes(),
            num_items=self.dataset.catalog.num_items,
            alpha=self.settings.partition.alpha,
            clusters=self.settings.partition.clusters,
            seed=self.settings.seed,
        )

    def _tastes(self) -> np.ndarray | None:
        """Embeddings (V + 1, S) by whose clusters users are partitioned, or None.

        They are not whitened, which would give noise the weight of meaning, and never shuffled.
        """
        if self.settings.taste is None:
            return None
        settings = replace(self.settings.taste, whiten=False, shuffled=False)
        return make_table(settings, self.dataset.catalog, seed=self.settings.seed).vectors

    @cached_property
    def genres(self) -> np.ndarray:
        """(V + 1, G) multi-hot genres of the items."""
        return self.dataset.catalog.genre_matrix()

    @cached_property
    def table(self) -> EmbeddingTable | None:
        """Frozen embedding table, or None if the model reads no semantic embeddings."""
        semantics, seed = self.settings.semantics, self.settings.seed
        return None if semantics is None else make_table(semantics, self.dataset.catalog, seed=seed)

    @cached_property
    def fixed_candidates(self) -> Fixed | None:
        """NCF's own candidates, where the protocol asks for them."""
        if not self.settings.ncf_negatives:
            return None
        source, dataset = self.settings.data.source, self.dataset
        ratings = Path(source) if Path(source).exists() else downloaded(source, home())
        fixed = read_ncf(Path(self.settings.ncf_negatives))
        events = load_movielens(ratings, "ml-1m")
        # NCF numbers the items in the order of the raw ratings.
        order = item_order(events.item_ids[item] for item in events.items)
        numbers = {identity: row for row, identity in enumerate(dataset.catalog.item_ids, start=1)}

        def candidates(users: np.ndarray, targets: np.ndarray) -> np.ndarray:
            identities = [dataset.user_ids[int(user)] for user in users]
            return ncf_candidates(
                fixed, user_ids=identities, targets=targets, order=order, item_numbers=numbers
            )

        return candidates


def open_prepared(config: Config) -> PreparedData:
    """The prepared data of a config, made if they are not on disk yet; opened once per process.

    They are opened again where ``FEDREC_HOME``, or a source file (inode, size, time), has changed.

    Raises:
        DataError: The data cannot be read.
        ResourceError: The data cannot be fetched.
    """
    paths = (*sources_in(config.data.source), config.data.items)
    protocols = config.evaluation.protocols
    settings = DataSettings(
        data=config.data,
        scenario=config.scenario,
        partition=config.partition,
        semantics=config.semantics if needs_table(config) else None,
        taste=config.semantics if config.partition.by == "taste-semantic" else None,
        has_user_rows=has_user_rows(config),
        reads_reviews=REVIEWS in names_in(config.semantics.fields),
        validation_users=config.evaluation.validation_users,
        ncf_negatives=config.evaluation.ncf_negatives if "ncf-99" in protocols else "",
        seed=config.seed,
        home=home(),
        files=tuple(_file_state(path) for path in paths),
    )
    return _opened(settings)


@lru_cache(maxsize=4)
def _opened(settings: DataSettings) -> PreparedData:
    data = settings.data
    folder = prepare(
        data.source,
        format=data.format,
        home=settings.home,
        min_item_events=data.min_item_events,
        min_user_events=data.min_user_events,
        top_items=data.top_items,
        sessions=data.sessions,
        seed=settings.seed,
        columns=columns_of(data),
        reviews=settings.reads_reviews,
    )
    return PreparedData(settings, open_dataset(folder))


def _file_state(path: str) -> tuple[int, int, int] | None:
    """Inode, size and time of a file, which change when it does; None where there is no file."""
    try:
        facts = Path(path).stat()
    except (OSError, ValueError):
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def columns_of(data: Data) -> Columns:
    """The column names of a user's own table."""
    return Columns(
        user=data.user_column,
        item=data.item_column,
        time=data.time_column,
        rating=data.rating_column,
        title=data.title_column,
        genres=data.genres_column,
        year=data.year_column,
        description=data.description_column,
        items=data.items,
        texts=names_in(data.text_columns),
        attributes=names_in(data.attribute_columns),
    )


def cold_items_of(scenario: Scenario, *, seed: int, num_items: int) -> tuple[int, ...]:
    """Items that the scenario of a run makes cold, ascending.

    Args:
        scenario: Section ``scenario``.
        seed: Seed of the run.
        num_items: V.

    Raises:
        ConfigError: A share of the items that is no item.
    """
    if not scenario.cold_items:
        return ()
    cold = cold_items(scenario.cold_items, seed=seed, num_items=num_items)
    return tuple(np.flatnonzero(cold).tolist())


def has_user_rows(config: Config) -> bool:
    """Whether the model has a row for each user, which is private to the client that holds them."""
    return config.model.name in OF_USERS


def padded_first(view: TrainingView) -> TrainingView:
    """A training view with item 0, the padding, before each user's first training event.

    A model of users reads no history, so that a user's first event is a target, too: it follows
    the padding.
    """
    training = view.training
    items = np.insert(training.items, training.offsets[:-1], 0)
    behind = Sequences(items, training.offsets + np.arange(len(training.offsets)))
    return replace(view, training=behind)
