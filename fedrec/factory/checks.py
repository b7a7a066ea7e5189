"""Checks of a run config against the data and the machine, before anything starts."""

from fedrec.config.config import Config
from fedrec.config.values.choices import names_in
from fedrec.data.preparation.store import Dataset
from fedrec.errors import ConfigError, DataError
from fedrec.evaluation.metrics import check_cutoffs
from fedrec.factory.data import PreparedData, open_prepared
from fedrec.factory.evaluation import user_metrics
from fedrec.factory.model import device
from fedrec.factory.own_views import own_views
from fedrec.factory.training import make_loss


def check_fit(config: Config) -> None:
    """Refuse what data or machine cannot meet, before an engine starts or a run is replaced.

    Raises:
        ConfigError: Partitions, cut-offs or negatives that do not fit the data.
        DataError: The data cannot be read, or lack the times that the model needs.
        ResourceError: The device is not there.
    """
    prepared = check_ranking(config)
    dataset, training = prepared.dataset, prepared.view.training
    check_times(config.model.time, dataset)
    device(config)
    _ = prepared.assignment  # refuses a partition that the data do not allow
    if (
        "ncf-99" in config.evaluation.protocols
        and dataset.manifest["facts"].get("format") != "ml-1m"
    ):
        raise ConfigError(
            "evaluation.protocol = 'ncf-99' is made of the negatives that NCF published for "
            f"MovieLens-1M; data.source = {config.data.source!r} is not its folder or archive"
        )
    domains, num_items = dataset.domains, dataset.catalog.num_items
    make_loss(config, training, num_items, domains)
    own_views(config.model.views, dataset.catalog)  # tried before any engine starts
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
    domains, num_items = dataset.domains, dataset.catalog.num_items
    check_cutoffs(config.evaluation.cutoffs, domains.smallest if domains else num_items)
    return prepared


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
