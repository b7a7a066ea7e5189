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
from fedrec.data.partitions.assign import most_partitions
from fedrec.data.preparation.store import Dataset
from fedrec.data.readers.columns.usual_names import GUESSED
from fedrec.evaluation.metrics import SELECTING_CUTOFF
from fedrec.evaluation.protocols import most_candidates
from fedrec.factory.data import PreparedData, open_prepared
from fedrec.training.batches import MIN_TRAINING_EVENTS

log = logging.getLogger(__name__)

Change = tuple[str, str, int | str, str]  # section, name, value, why


def fit_defaults(config: Config, *, keep: Collection[str] = ()) -> Config:
    """The config with defaults that the data can meet; says in one line each what is another.

    Columns that were found by their usual names are said in one more line.

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
    notes = prepared.dataset.manifest.get("facts", {}).get("notes", ())
    for line in [*(note for note in notes if GUESSED in note), *lines]:
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
    """Items among which the held-out one is ranked, at most: every protocol, any user of a domain.

    The history of a user is no candidate; the test, which follows the most events, decides. Of
    several domains, the one with the fewest decides: beyond it, a hit there says nothing.
    """
    fewest = min(most_candidates(name) for name in config.evaluation.protocols)
    sequences, domains = dataset.sequences, dataset.domains
    domain_of = np.zeros(sequences.num_users, dtype=np.int64)
    if domains is not None:
        domain_of = np.asarray(domains.of_user)
    least = _least_of_domains(items_offered(dataset) - sequences.lengths() + 1, domain_of)
    if least >= min(fewest, max(config.evaluation.cutoffs)):  # nearly always
        return int(min(fewest, least))
    return int(min(fewest, _least_of_domains(items_ranked(dataset), domain_of)))


def items_offered(dataset: Dataset) -> NDArray[np.integer]:
    """Items (U,) of the catalogue of each user: of the whole, or of the user's domain."""
    domains = dataset.domains
    if domains is None:
        return np.full(dataset.sequences.num_users, dataset.catalog.num_items)
    sizes = np.array([len(items) for items in domains.catalogues])
    return np.asarray(sizes[domains.of_user])


def items_ranked(dataset: Dataset) -> NDArray[np.integer]:
    """Items (U,) among which the test item of each user is ranked under "full"."""
    sequences = dataset.sequences
    users = np.repeat(np.arange(sequences.num_users), sequences.lengths() - 1)
    last = sequences.offsets[1:] - 1
    before = np.delete(np.asarray(sequences.items, dtype=np.int64), last)
    base = dataset.catalog.num_items + 1
    had = np.unique(users * base + before)
    again = np.isin(np.arange(sequences.num_users) * base + sequences.items[last], had)
    num_had = np.bincount(had // base, minlength=sequences.num_users)
    return np.asarray(items_offered(dataset) - num_had + again)


def _least_of_domains(ranked: NDArray[np.integer], domain_of: NDArray[np.integer]) -> int:
    """The most items (U,) ranked for a user of a domain, in the domain (U,) with the fewest."""
    return min(int(ranked[domain_of == domain].max()) for domain in np.unique(domain_of))
