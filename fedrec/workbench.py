"""From a run config to the things it names: data, frozen table, model, loss, optimiser.

Both sides of a federation and the central reference open them here, so that the same config
means the same model everywhere.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fedrec.config import (
    REFERENCES,
    Config,
    Data,
    Partition,
    Scenario,
    Semantics,
    names_in,
)
from fedrec.data.catalog import Catalog
from fedrec.data.domains import Domains
from fedrec.data.frame import Columns
from fedrec.data.movielens import load_movielens
from fedrec.data.negatives import open_items
from fedrec.data.partition import assign
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
from fedrec.errors import ConfigError, DataError, ResourceError
from fedrec.evaluation.held_out import Fixed
from fedrec.evaluation.metrics import check_cutoffs
from fedrec.evaluation.ncf import FixedNegatives, item_order, ncf_candidates, read_ncf
from fedrec.home import home
from fedrec.joined import sources_in
from fedrec.models.build import build_model
from fedrec.models.recommender import Recommender
from fedrec.semantics.table import SemanticTable, semantic_table
from fedrec.training.cohort_loss import CohortLoss
from fedrec.training.cohort_plan import CohortPlan
from fedrec.training.domains import each_in_its_domain
from fedrec.training.local import Plan, make_optimizer
from fedrec.training.objective import Objective, make_objective


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


def partition_of(config: Config, folder: Path) -> np.ndarray:
    """(U,) partition number of every user of a prepared dataset, the same in every scenario."""
    return _assigned(config.partition, config.seed, folder)


@lru_cache(maxsize=4)
def _assigned(rule: Partition, seed: int, folder: Path) -> np.ndarray:
    dataset, training = open_data(folder)
    return assign(
        rule.by,
        rule.count,
        sequences=training,
        seed=seed,
        alpha=rule.alpha,
        genres=dataset.catalog.genre_matrix(),
        genre_names=dataset.catalog.genre_names(),
        attributes=dataset.attributes,
    )


def check_fit(config: Config) -> None:
    """Refuse what data or machine cannot meet, before an engine starts or a run is replaced.

    Raises:
        ConfigError: partitions, cut-offs or negatives that do not fit the data.
        DataError: the data cannot be read, or lack the times that the model needs.
        ResourceError: the device is not there.
    """
    folder = prepare_data(config)
    dataset, seen = open_data(folder)[0], seen_of(config, folder)
    check_times(config, dataset)
    if config.scenario.hides_events and "popularity-100" in config.evaluation.protocols:
        raise ConfigError(
            "evaluation.protocol must be another than 'popularity-100' with scenario.*: popularity "
            "is counted in what is seen, so that the candidates would be others than without it"
        )
    device(config)
    partition_of(config, folder)
    domains, num_items = dataset.domains, dataset.catalog.num_items
    check_cutoffs(config.evaluation.cutoffs, domains.smallest if domains else num_items)
    make_loss(config, seen.training, num_items, domains)
    if domains and config.federation.unit == "user":
        raise ConfigError(
            f"federation.unit must be 'partition' where data.source joins {len(domains.names)} "
            "sources, got 'user': users who train side by side share their negatives, and those "
            "of one domain are no negatives of another's"
        )


def check_times(config: Config, dataset: Dataset) -> None:
    """Refuse a model that needs times on data that have only an order."""
    if names_in(config.model.time) and dataset.sequences.times is None:
        raise DataError(
            f"model.time = {config.model.time!r} needs to know when events were, but "
            f"{dataset.name!r} holds only their order; set model.time = ''"
        )


def needs_table(config: Config) -> bool:
    """Whether the model looks at meanings, as a view or to start identity rows from."""
    if config.model.name in REFERENCES:
        return False
    views = names_in(config.model.views)
    starts_from_text = "identity" in views and config.model.identity_start == "text"
    return "semantic" in views or starts_from_text


def open_table(config: Config, catalog: Catalog) -> SemanticTable | None:
    """The frozen table of meanings, from the cache if it is there; none if no view reads it."""
    if not needs_table(config):
        return None
    return _table(config.semantics, config.seed, home(), _ById(catalog))


@lru_cache(maxsize=4)
def _table(settings: Semantics, seed: int, home: Path, of: "_ById") -> SemanticTable:
    return semantic_table(
        of.catalog,
        encoder=settings.encoder,
        revision=settings.revision,
        fields=names_in(settings.fields),
        width=settings.width,
        whiten=settings.whiten,
        home=home,
        shuffle_seed=seed if settings.shuffled else None,
    )


class _ById:
    """A catalogue as a key of a cache: the same object, not an equal one."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def __hash__(self) -> int:
        return id(self.catalog)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.catalog is self.catalog


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


def make_model(
    config: Config,
    catalog: Catalog,
    table: SemanticTable | None,
    frequency: np.ndarray,
    users: np.ndarray | None = None,
) -> Recommender:
    """The model of a config with its initial weights, on the device that the config names.

    Args:
        config: of the run.
        catalog: of the items.
        table: the frozen meanings, or none.
        frequency: (V + 1,) training events per item, zeros where unknown.
        users: (U,) who is held here, for a model that has rows of users.
    """
    model = build_model(
        config.model,
        num_items=catalog.num_items,
        meaning=None if table is None else table.vectors,
        content=catalog.content_features(),
        frequency=frequency,
        seed=config.seed,
        users=users,
    )
    model.to(device(config))
    return model


def device(config: Config) -> torch.device:
    """The device to compute on: "auto" takes a GPU where there is one.

    Raises:
        ResourceError: ``device = "cuda"`` without one.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ResourceError("device = 'cuda', but torch finds no GPU here; set device = 'auto'")
    use_gpu = config.device != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if use_gpu else "cpu")


def device_fallback(config: Config) -> str:
    """A line that says that ``device = "auto"`` falls back to the CPU; empty where it does not."""
    falls_back = config.device == "auto" and device(config).type == "cpu"
    return "device = 'auto': torch finds no GPU here, the CPU computes" if falls_back else ""


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


def make_loss(
    config: Config, training: Sequences, num_items: int, domains: Domains | None
) -> Objective:
    """The loss of a config over a catalogue of V items, or over that of each user's domain."""
    loss, cold = config.loss, cold_of(config, num_items)
    offered = domains.catalogues if domains else [np.arange(1, num_items + 1)]
    is_open = np.isin(np.arange(num_items + 1), open_items(num_items, cold))
    catalogues = [items[is_open[items]] for items in offered]
    least = min(len(items) for items in catalogues)
    if loss.name in ("sampled-softmax", "gbce") and loss.negatives > least:
        which = " that are not cold" if cold else ""
        raise ConfigError(
            f"loss.negatives is {loss.negatives}, but the {'smallest ' if domains else ''}"
            f"catalogue has {least} items{which}; lower loss.negatives or set "
            "loss.name = 'softmax'"
        )
    objectives = [
        make_objective(
            loss.name,
            training=training,
            catalogue=items,
            negatives=loss.negatives,
            log_q=loss.log_q,
            calibration=loss.calibration,
        )
        for items in catalogues
    ]
    return each_in_its_domain(objectives, domains.of_user) if domains else objectives[0]


def make_plan(config: Config, proximal_mu: float) -> Plan:
    """How much one round trains, with how much noise."""
    local, model = config.local, config.model
    has_other_views = model.name not in REFERENCES and names_in(model.views) != ("identity",)
    return Plan(
        epochs=local.epochs,
        steps=local.steps,
        batch_size=local.batch_size,
        max_length=model.max_length,
        windows=local.windows,
        dropout=model.dropout,
        # Without another view, an item without its identity would be no item at all.
        identity_dropout=model.identity_dropout if has_other_views else 0.0,
        mask_share=model.mask_share,
        proximal_mu=proximal_mu,
        clip_norm=local.clip_norm,
        decay_rounds=local.decay_rounds,
    )


def make_cohort_plan(config: Config, proximal_mu: float) -> CohortPlan:
    """What a round asks of each user, where every user is a client.

    ``local.epochs`` counts steps over all of a user's windows, where ``local.steps`` is 0.
    """
    local, plan, federation = config.local, make_plan(config, proximal_mu), config.federation
    return CohortPlan(
        steps=local.steps or local.epochs,
        learning_rate=local.learning_rate,
        decay_rounds=local.decay_rounds,
        optimizer=local.optimizer,
        beta_1=local.beta_1,
        beta_2=local.beta_2,
        epsilon=local.epsilon,
        weight_decay=local.weight_decay,
        max_length=plan.max_length,
        newest_windows=plan.windows,
        batch_size=local.batch_size if local.steps else 0,
        dropout=plan.dropout,
        identity_dropout=plan.identity_dropout,
        proximal_mu=proximal_mu,
        clip_norm=federation.clip_norm,
        outlier_limit=federation.outlier_limit,
        weighting=federation.weighting,
        upload=federation.upload,
        group_tokens=local.group_tokens,
    )


def make_cohort_loss(config: Config, num_items: int) -> CohortLoss:
    """The loss of users who train side by side, over a catalogue of V items."""
    loss = config.loss
    return CohortLoss(
        name=loss.name,
        num_items=num_items,
        negatives=loss.negatives,
        log_q=loss.log_q,
        calibration=loss.calibration,
        cold=cold_of(config, num_items),
    )


def local_optimizer(config: Config, model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of local training, without state."""
    local = config.local
    return make_optimizer(
        model,
        local.optimizer,
        learning_rate=local.learning_rate,
        beta_1=local.beta_1,
        beta_2=local.beta_2,
        epsilon=local.epsilon,
        weight_decay=local.weight_decay,
    )
