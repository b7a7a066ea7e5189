"""Defaults that follow the data: what small data cannot meet and the user did not write.

A catalogue of 40 items has no 256 negatives, and 6 users fill no 10 partitions. A value that the
user wrote is never changed: ``fedrec.factory.checks`` refuses it.
"""

import dataclasses
import logging
from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from fedrec.config.config import Config
from fedrec.config.keys import flatten
from fedrec.data.partition import most_partitions
from fedrec.data.preparation.store import Dataset
from fedrec.evaluation.metrics import SELECTING_CUTOFF
from fedrec.evaluation.protocols import most_candidates
from fedrec.factory.data import PreparedData, open_prepared
from fedrec.training.batches import MIN_TRAINING_EVENTS

log = logging.getLogger(__name__)

Change = tuple[str, str, int | str, str]  # section, name, value, why


def fit_defaults(config: Config, *, keep: Collection[str] = ()) -> Config:
    """The config with defaults that the data can meet; says in one line each what is another.

    Args:
        config: Config of a run; its ``written`` keys are not touched.
        keep: Further keys that are not touched.

    Returns:
        The config, with the lines in ``adapted``. Written out, it is the same run's.

    Raises:
        DataError: The data cannot be read.
        ResourceError: The data cannot be fetched.
    """
    prepared = open_prepared(config)
    lines: list[str] = []
    flat, fixed = flatten(config), {*config.written, *keep}
    for section, name, value, why in _changes(config, prepared):
        key = f"{section}.{name}"
        if key in fixed or value == flat[key]:
            continue
        part = dataclasses.replace(getattr(config, section), **{name: value})
        config = dataclasses.replace(config, **{section: part})
        lines.append(f"{key} is {value}, not {flat[key]}: {why}")
    for line in lines:
        log.warning("%s", line)
    return dataclasses.replace(config, adapted=(*config.adapted, *lines)) if lines else config


def _changes(config: Config, prepared: PreparedData) -> Iterator[Change]:
    offered = smallest_catalogue(prepared.dataset)
    if config.loss.negatives > offered:
        yield "loss", "negatives", offered, f"the catalogue has {offered} items"
    ranked = most_ranked(config, prepared.dataset)
    kept = [k for k in config.evaluation.cutoffs if k <= ranked or k == SELECTING_CUTOFF]
    if len(kept) < len(config.evaluation.cutoffs):
        at = ",".join(map(str, kept))
        yield "evaluation", "at", at, f"at most {ranked} items are ranked for a user"
    rule = config.partition
    most = most_partitions(rule.by, prepared.partition_facts)
    if rule.by == "each" or rule.count > most:
        what = "users" if most == prepared.dataset.sequences.num_users else "groups"
        yield "partition", "count", most, f"there are {most} {what} (partition.by = {rule.by!r})"
    able = users_who_train(prepared)
    if config.federation.unit == "user" and able and config.federation.cohort > able:
        yield "federation", "cohort", able, f"{able} users have two training events"


def users_who_train(prepared: PreparedData) -> int:
    """Users with something to learn from, who can be sampled where every user is a client."""
    return int((prepared.view.training.lengths() >= MIN_TRAINING_EVENTS).sum())


def smallest_catalogue(dataset: Dataset) -> int:
    """Items that a user may be offered, at least: of the whole, or of the smallest domain."""
    return dataset.domains.smallest if dataset.domains else dataset.catalog.num_items


def most_ranked(config: Config, dataset: Dataset) -> int:
    """Items among which the held-out one is ranked, at most, in every protocol and domain.

    The history of a user is no candidate; the test, which follows the most events, decides.
    """
    fewest = min(most_candidates(name) for name in config.evaluation.protocols)
    sequences, domains = dataset.sequences, dataset.domains
    offered = np.full(sequences.num_users, dataset.catalog.num_items)
    if domains is not None:
        sizes = np.array([len(items) for items in domains.catalogues])
        offered = sizes[domains.of_user]
    groups = np.zeros(sequences.num_users, dtype=np.int64) if domains is None else domains.of_user
    largest = _smallest_maximum(offered - sequences.lengths(), groups) + 1
    if largest >= min(fewest, max(config.evaluation.cutoffs)):  # nearly always
        return int(min(fewest, largest))
    users = np.repeat(np.arange(sequences.num_users), sequences.lengths() - 1)
    last = sequences.offsets[1:] - 1
    before = np.delete(np.asarray(sequences.items, dtype=np.int64), last)
    base = dataset.catalog.num_items + 1
    had = np.unique(users * base + before)
    again = np.isin(np.arange(sequences.num_users) * base + sequences.items[last], had)
    ranked = offered - np.bincount(had // base, minlength=sequences.num_users) + again
    return int(min(fewest, _smallest_maximum(ranked, groups)))


def _smallest_maximum(values: NDArray[np.integer], groups: NDArray[np.integer]) -> int:
    """The largest value of each group, and of these the smallest."""
    return min(int(values[groups == group].max()) for group in np.unique(groups))
