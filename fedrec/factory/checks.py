"""Checks of a run config against the data and the machine, before anything starts."""

from collections.abc import Callable
from typing import get_args

import numpy as np

from fedrec.config.config import Config
from fedrec.config.values.choices import names_in
from fedrec.data.catalog import REVIEWS
from fedrec.data.preparation.store import Dataset
from fedrec.data.splits import Stage
from fedrec.errors import ConfigError, DataError
from fedrec.evaluation.metrics import check_cutoffs
from fedrec.evaluation.protocols import is_uniform, most_candidates, refuse_unranked
from fedrec.factory.data import PreparedData, open_prepared
from fedrec.factory.devices import device
from fedrec.factory.evaluation import evaluated, user_metrics
from fedrec.factory.fit_defaults import (
    items_ranked,
    most_ranked,
    smallest_catalogue,
    users_who_train,
)
from fedrec.factory.memory import check_memory
from fedrec.factory.model import make_model
from fedrec.factory.own_views import own_views
from fedrec.factory.start_weights import start_weights
from fedrec.factory.table import check_table
from fedrec.factory.training import make_loss, too_many_negatives


def check_fit(config: Config) -> None:
    """Refuse what data or machine cannot meet, before an engine starts or a run is replaced.

    Raises:
        ConfigError: Partitions, cut-offs or negatives that do not fit the data.
        DataError: The data cannot be read, or lack the times that the model needs.
        ResourceError: The device is not there.
    """
    prepared = open_prepared(config)
    check_times(config.model.time, prepared.dataset)
    _all_at_once(
        lambda: check_ranking(config),
        lambda: device(config),
        lambda: prepared.assignment,  # refuses a partition that the data do not allow
        lambda: check_memory(config, prepared.dataset.catalog.num_items),
        lambda: _check_counts(config, prepared),
        lambda: _check_negatives(config, prepared),
        lambda: _check_cohort(config, prepared),
        lambda: _check_loss(config, prepared),
        lambda: own_views(config, prepared.dataset.catalog),
        lambda: _check_domains(config, prepared.dataset),
        lambda: check_table(config, prepared.dataset.catalog),
    )
    if config.run.start_from:
        _check_start(config, prepared)


def _check_start(config: Config, prepared: PreparedData) -> None:
    """Refuse weights to start from that are of another model, before a run is replaced."""
    catalog = prepared.dataset.catalog
    model = make_model(
        config,
        catalog,
        prepared.table,
        np.zeros(catalog.num_items + 1, dtype=np.int64),
        np.arange(1),
    )
    start_weights(config, model, catalog, prepared.dataset.data_hash)


def _all_at_once(*checks: Callable[[], object]) -> None:
    """Run every check; raise one error for the problems of all, each told once."""
    problems: list[str] = []
    for check in checks:
        try:
            check()
        except ConfigError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise ConfigError(*problems)


def _check_counts(config: Config, prepared: PreparedData) -> None:
    """Refuse what needs counts per item where every partition has too few users to tell them."""
    most = int(np.bincount(prepared.assignment).max(initial=0))
    if found := list(config.lacking_counts(config.federation.why_no_counts(most))):
        raise ConfigError(*found)


def _check_negatives(config: Config, prepared: PreparedData) -> None:
    """Refuse the default number, too, where the user wrote it and the catalogue has fewer items."""
    offered = smallest_catalogue(prepared.dataset)
    is_drawn = config.loss.name == "sampled-softmax"
    if is_drawn and "loss.negatives" in config.written and config.loss.negatives > offered:
        raise ConfigError(too_many_negatives(config, offered, prepared.dataset.domains))


def _check_cohort(config: Config, prepared: PreparedData) -> None:
    """Refuse a cohort of more users than can be sampled, before any of them is asked."""
    able, cohort = users_who_train(prepared), config.federation.cohort
    if config.federation.unit == "user" and 0 < able < cohort:
        raise ConfigError(
            f"federation.cohort is {cohort}, but {able} users have two training events; "
            f"set federation.cohort = {able} or less"
        )


def _check_loss(config: Config, prepared: PreparedData) -> None:
    dataset = prepared.dataset
    make_loss(config, prepared.view.training, dataset.catalog.num_items, dataset.domains)


def _check_domains(config: Config, dataset: Dataset) -> None:
    """Refuse what does not go with the data's layout or with several domains."""
    if (
        "ncf-99" in config.evaluation.protocols
        and dataset.manifest["facts"].get("format") != "ml-1m"
    ):
        raise ConfigError(
            "evaluation.protocol = 'ncf-99' is made of the negatives that NCF published for "
            f"MovieLens-1M; data.source = {config.data.source!r} is not its folder or archive"
        )
    domains = dataset.domains
    if domains and config.evaluation.positions_from:
        raise ConfigError(
            f"evaluation.positions-from must be 0 where data.source joins {len(domains.names)} "
            f"sources, got {config.evaluation.positions_from}"
        )
    if domains and config.model.smooths:
        raise ConfigError(
            f"model.neighbours must be 0 where data.source joins {len(domains.names)} sources "
            "(vectors of one domain's items are never compared with another's), got "
            f"{config.model.neighbours}"
        )
    if domains and config.federation.unit == "user":
        raise ConfigError(
            f"federation.unit must be 'partition' where data.source joins {len(domains.names)} "
            "sources, got 'user': users who train side by side share their negatives, and those "
            "of one domain are no negatives of another's"
        )


def check_ranking(config: Config) -> PreparedData:
    """Refuse protocols and cut-offs that the data cannot meet, whatever ranks; return the data.

    Raises:
        ConfigError: Metrics that cannot be imported; cut-offs or protocols that do not fit.
        DataError: The data cannot be read.
        ResourceError: The data cannot be fetched.
    """
    user_metrics(config)
    prepared = open_prepared(config)
    dataset = prepared.dataset
    if config.scenario.hides_events and "popularity-100" in config.evaluation.protocols:
        raise ConfigError(
            "evaluation.protocol must be another than 'popularity-100' with scenario.*: popularity "
            "is counted in what is seen, so that the candidates would be others than without it"
        )
    if config.scenario.hides_events and REVIEWS in dataset.manifest["facts"]:
        raise ConfigError(
            "semantics.fields must not name 'reviews' with scenario.*: the texts are of training "
            "events, some of which the scenario hides"
        )
    for stage in get_args(Stage):
        evaluated(config, dataset.sequences.num_users, stage)
    check_cutoffs(config.evaluation.cutoffs, most_ranked(config, dataset))
    _check_candidates(config, prepared)
    if config.evaluation.genre_jaccard and not dataset.catalog.genre_names():
        raise ConfigError(
            f"evaluation.genre-jaccard must be false: no item of {dataset.name!r} has a genre; "
            "data.genres-column names the column of a table"
        )
    return prepared


def _check_candidates(config: Config, prepared: PreparedData) -> None:
    """Refuse a sampled protocol for which no user leaves enough items to sample from."""
    for name in config.evaluation.protocols:
        if is_uniform(name):
            able = items_ranked(prepared.dataset) >= most_candidates(name)
            refuse_unranked(name, int(able.sum()))


def check_times(time: str, dataset: Dataset) -> None:
    """Refuse a model that needs times on data that have only an order.

    Args:
        time: ``model.time``.
        dataset: Prepared data.
    """
    if names_in(time) and dataset.sequences.times is None:
        raise DataError(
            f"model.time = {time!r} needs to know when events were, but "
            f"{dataset.name!r} holds only their order; set model.time = ''"
        )
