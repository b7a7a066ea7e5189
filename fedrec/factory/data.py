"""From a run config to its data: what is prepared, what models see of it, who holds it."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from fedrec.config.choices import names_in, sources_in
from fedrec.config.config import Config
from fedrec.config.sections.data import Data
from fedrec.config.sections.partition import Partition
from fedrec.config.sections.scenario import Scenario
from fedrec.data.partition import assign
from fedrec.data.partition_rules import PartitionFacts
from fedrec.data.readers.movielens import load_movielens
from fedrec.data.readers.tables import Columns
from fedrec.data.scenarios import (
    Seen,
    cold_items,
    few_shot_items,
    seen_events,
    visible_events,
)
from fedrec.data.sequences import Sequences
from fedrec.data.sources import downloaded
from fedrec.data.splits import training_part
from fedrec.data.store import Dataset, open_dataset, prepare
from fedrec.evaluation.leave_one_out import Fixed
from fedrec.evaluation.ncf import FixedNegatives, item_order, ncf_candidates, read_ncf
from fedrec.files.home import home


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


def prepare_data(config: Config) -> Path:
    """The folder of the prepared data, made if it is not there yet."""
    paths = (*sources_in(config.data.source), config.data.items)
    files = tuple(_file_state(path) for path in paths)
    return _prepared(config.data, config.seed, home(), files)


def _file_state(path: str) -> tuple[int, int, int] | None:
    """What changes when a file does; none where there is no such file."""
    try:
        facts = Path(path).stat()
    except (OSError, ValueError):
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


@lru_cache(maxsize=4)
def _prepared(data: Data, seed: int, home: Path, files: object) -> Path:
    return prepare(
        data.source,
        format=data.format,
        home=home,
        min_item_events=data.min_item_events,
        min_user_events=data.min_user_events,
        seed=seed,
        columns=columns_of(data),
    )


@lru_cache(maxsize=4)
def open_data(folder: Path) -> tuple[Dataset, Sequences]:
    """A prepared dataset and its training part, once per process; no scenario hides any of it."""
    dataset = open_dataset(folder)
    return dataset, training_part(dataset.sequences)


def seen_of(config: Config, folder: Path) -> Seen:
    """What the models of a run get to see of a prepared dataset, once per process.

    Raises:
        ConfigError: a share of the items that is no item.
    """
    if not config.scenario.hides_events:
        return _whole(folder)
    return _seen(config.scenario, config.seed, folder)


@lru_cache(maxsize=4)
def _whole(folder: Path) -> Seen:
    return Seen(open_data(folder)[1])


def cold_of(config: Config, num_items: int) -> tuple[int, ...]:
    """Items that the scenario of a run makes cold, ascending.

    Raises:
        ConfigError: a share of the items that is no item.
    """
    share = config.scenario.cold_items
    return _cold(share, config.seed, num_items) if share else ()


@lru_cache(maxsize=4)
def _cold(share: float, seed: int, num_items: int) -> tuple[int, ...]:
    cold = cold_items(share, seed=seed, num_items=num_items)
    return tuple(np.flatnonzero(cold).tolist())


@lru_cache(maxsize=4)
def _seen(scenario: Scenario, seed: int, folder: Path) -> Seen:
    dataset = open_data(folder)[0]
    cold = cold_items(scenario.cold_items, seed=seed, num_items=dataset.catalog.num_items)
    visible = visible_events(
        dataset.sequences,
        cold=cold,
        few_shot=few_shot_items(scenario.few_shot_items, cold=cold, seed=seed),
        few_shot_events=scenario.few_shot_events,
        keep=scenario.keep,
        seed=seed,
    )
    return seen_events(dataset.sequences, visible, scenario.history)


def has_user_rows(config: Config) -> bool:
    """Whether the model has a row for each user, which is private to the client that holds them."""
    return config.model.name == "bpr-mf"


def followed(config: Config, seen: Seen) -> Seen:
    """What is seen, as the model is trained on it: a target follows what was read before it.

    A model of users reads nothing, so that a user's first event is a target, too: it follows the
    padding, item 0.
    """
    return _followed(seen) if has_user_rows(config) else seen


@lru_cache(maxsize=1)
def _followed(seen: Seen) -> Seen:
    training = seen.training
    items = np.insert(training.items, training.offsets[:-1], 0)
    behind = Sequences(items, training.offsets + np.arange(len(training.offsets)))
    return replace(seen, training=behind)


def partition_of(config: Config, folder: Path) -> np.ndarray:
    """(U,) partition number of every user of a prepared dataset, the same in every scenario."""
    return _assigned(config.partition, config.seed, folder)


@lru_cache(maxsize=4)
def _assigned(rule: Partition, seed: int, folder: Path) -> np.ndarray:
    dataset, training = open_data(folder)
    return assign(
        rule.by,
        rule.count,
        PartitionFacts(
            sequences=training,
            genres=dataset.catalog.genre_matrix(),
            genre_names=dataset.catalog.genre_names(),
            attributes=dataset.attributes,
            alpha=rule.alpha,
            seed=seed,
        ),
    )


def fixed_candidates(config: Config, dataset: Dataset) -> Fixed | None:
    """NCF's own candidates, where the protocol asks for them."""
    if "ncf-99" not in config.evaluation.protocols:
        return None
    source = config.data.source
    ratings = Path(source) if Path(source).exists() else downloaded(source, home())
    fixed, order = _ncf(Path(config.evaluation.ncf_negatives), ratings)
    numbers = {identity: place + 1 for place, identity in enumerate(dataset.catalog.item_ids)}

    def candidates(users: np.ndarray, targets: np.ndarray) -> np.ndarray:
        identities = [dataset.user_ids[int(user)] for user in users]
        return ncf_candidates(
            fixed, user_ids=identities, targets=targets, order=order, item_numbers=numbers
        )

    return candidates


@lru_cache(maxsize=1)
def _ncf(negatives: Path, ratings: Path) -> tuple[FixedNegatives, list[str]]:
    """NCF's negatives, and its numbering: items in the order of the raw ratings."""
    events = load_movielens(ratings, "ml-1m")
    return read_ncf(negatives), item_order(events.item_ids[item] for item in events.items)
