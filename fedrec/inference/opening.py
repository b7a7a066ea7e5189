"""Open a run folder as a recommender: its data, frozen embedding table and weights."""

import csv
import dataclasses
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from fedrec.baselines.names import BASELINES
from fedrec.config.config import Config
from fedrec.config.keys import flat_tables, read_config
from fedrec.config.trust import check_trust
from fedrec.config.values.choices import OF_USERS, names_in
from fedrec.data.catalog import Catalog
from fedrec.data.preparation.prepared_folder import find_prepared
from fedrec.data.preparation.store import Dataset, open_dataset
from fedrec.errors import ConfigError, DataError, MessageError, ResourceError
from fedrec.factory.data import open_prepared
from fedrec.factory.devices import device as device_of
from fedrec.factory.model import make_model
from fedrec.factory.own_views import inputs_hash
from fedrec.factory.table import catalog_with_signals, open_table
from fedrec.files.home import home
from fedrec.inference.carried import FROZEN, ITEMS, read_carried
from fedrec.inference.export import is_export, open_export
from fedrec.inference.recommender import ReadyRecommender
from fedrec.inference.search import ItemSearch
from fedrec.models.parameters import NamedArrays, groups_of, load_arrays
from fedrec.models.recommender import Recommender
from fedrec.report.references import BASELINE_ENGINE
from fedrec.runs.checksums import check_files
from fedrec.runs.contents import content_of
from fedrec.runs.record import COMPLETE, Run
from fedrec.runs.record import load as load_run


def open_recommender(
    run: Run | str | Path,
    *,
    device: str = "auto",
    trust: bool = False,
    shared_only: bool = False,
) -> ReadyRecommender:
    """Open the trained model of a complete run to recommend to its users or for any history.

    Data and semantic embeddings are made again from their source where they are missing, and must
    then be those of the run. Where that fails, the run's own copy of its catalogue and frozen
    arrays serves: it knows no user, so that a history is to be given.

    Args:
        run: A run, its folder or its name; or the folder of an exported model.
        device: "auto" (a GPU where there is one), "cpu" or "cuda".
        trust: Import the modules that the run's config names, if any; they run with your rights.
        shared_only: Open also a run whose clients keep a part of the model, which then is as the
            run began with it; see ``fedrec.inference.private``.

    Raises:
        ConfigError: The run is not complete, keeps no model, keeps a part of it on its clients, or
            names modules and is not trusted.
        DataError: A file is missing or damaged; its data or semantic embeddings are others now.
        ResourceError: The data, the encoder's weights or the device are not there.
    """
    if not isinstance(run, Run) and is_export(Path(run)):
        return open_export(Path(run))
    run = run if isinstance(run, Run) else load_run(run)
    _check_kept(run)
    check_files(run.folder, run.about, "items.csv", "model.safetensors", ITEMS, FROZEN)
    config = dataclasses.replace(read_config(flat_tables(run.config)), device=device)
    check_trust(config, run.folder, trust=trust, how="trust=True (--trust)")
    if config.model.time:
        raise ConfigError(
            f"{run.folder}: model.time = {config.model.time!r} reads times, and histories of item "
            "ids have none; recommend by a run with model.time = ''"
        )
    if config.model.name in OF_USERS:
        raise ConfigError(
            f"{run.folder}: model.name = {config.model.name!r} keeps a row for each user on the "
            "user's client and reads no history; recommend by a run of another model"
        )
    if config.model.name == "lora":
        raise ConfigError(
            f"{run.folder}: model.name = 'lora' ranks candidates by their titles and has no item "
            "vectors to search; recommend by a run of another model"
        )
    private = names_in(config.model.private)
    if private and not shared_only:
        raise ConfigError(
            f"{run.folder}: model.private = {config.model.private!r} stays with each client; the "
            "run holds no whole model to recommend with"
        )
    dataset, model = _dataset_and_model(run, config)
    weights = _weights_of(run.folder / "model.safetensors")
    try:
        load_arrays(model, weights, groups_of(model, private).shared)
    except MessageError as error:
        raise DataError(
            f"{run.folder / 'model.safetensors'} is of another model: {error}"
        ) from None
    search = ItemSearch(model, dataset.catalog.num_items, config.model.max_length)
    return ReadyRecommender(run.name, config, dataset, dataset.catalog, search)


def _dataset_and_model(run: Run, config: Config) -> tuple[Dataset, Recommender]:
    """The data of a run and its model before its weights; by its own copy where those are gone."""
    try:
        dataset = _data_of(run, config)
    except (ConfigError, DataError, ResourceError) as error:
        if not _is_carried(run):
            raise
        return _carried(run, config, f"the data of {run.name} is not here: {error}")
    _check_hash(run, config, dataset)
    if config.semantics.signals:
        described = catalog_with_signals(config.semantics, dataset.catalog, seed=config.seed)
        dataset = dataclasses.replace(dataset, catalog=described)
    try:
        return dataset, _model_of(run, config, dataset.catalog)
    except ResourceError:  # no encoder here
        if not _is_carried(run):
            raise
        return dataset, _carried(run, config, "")[1]


def _is_carried(run: Run) -> bool:
    """Whether a run holds its catalogue and its frozen arrays."""
    return all((run.folder / name).is_file() for name in (ITEMS, FROZEN))


def _carried(run: Run, config: Config, reason: str) -> tuple[Dataset, Recommender]:
    """The items of a run and its model before its weights, by what its folder holds."""
    data = run.about.get("data", {})
    name, wanted = str(data.get("name", "")), str(data.get("hash", ""))
    try:
        dataset, model = read_carried(run.folder, config, name, wanted, reason)
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise DataError(f"{run.folder / ITEMS} or {FROZEN} cannot be read: {error}") from None
    return dataset, model.to(device_of(config))


def _check_kept(run: Run) -> None:
    """Refuse a run that left no trained model."""
    if run.no_model:
        raise ConfigError(f"{run.folder} holds no model: {run.no_model}")
    if run.about.get("engine") in [f"{BASELINE_ENGINE}{kind})" for kind in BASELINES]:
        raise ConfigError(f"{run.folder} is a baseline that trains nothing: it holds no model")
    if run.status not in COMPLETE:
        raise ConfigError(
            f"{run.folder} holds a run that is {run.status}: no model is kept before its end "
            "(`fedrec resume` completes it)"
        )


def _data_of(run: Run, config: Config) -> Dataset:
    """The prepared data of a run: by its hash, or prepared again."""
    wanted = str(run.about.get("data", {}).get("hash", ""))
    folder = find_prepared(wanted, home())
    return open_dataset(folder) if folder else open_prepared(config).dataset


def _check_hash(run: Run, config: Config, dataset: Dataset) -> None:
    """Refuse data that are not those of the run."""
    wanted = str(run.about.get("data", {}).get("hash", ""))
    if dataset.data_hash != wanted:
        raise DataError(
            f"{run.folder} was trained on data {wanted[:16]}, but {config.data.source} gives "
            f"{dataset.data_hash[:16]}; its items may be others now"
        )


def _model_of(run: Run, config: Config, catalog: Catalog) -> Recommender:
    """The run's model before its weights: semantic embeddings, content, training counts."""
    facts = run.about.get("semantics") or {}
    views = facts.get("views_sha256")
    table, wanted = open_table(config, catalog), facts.get("table_sha256")
    if table is not None and table.sha256 != wanted:
        raise DataError(
            f"{run.folder} was trained on semantic embeddings {str(wanted)[:16]}, but "
            f"{table.encoder} makes {table.sha256[:16]} here; copy "
            f"{home() / 'semantics' / table.key} from where it ran"
        )
    model = make_model(config, catalog, table, _counts(run.folder / "items.csv", catalog.num_items))
    if views and inputs_hash(config, catalog, lambda: model) != views:
        raise DataError(
            f"{run.folder} was trained on other views or frozen weights than model.views = "
            f"{config.model.views!r} and model.name = {config.model.name!r} give now"
        )
    return model


def _counts(path: Path, num_items: int) -> NDArray[np.int64]:
    """Training events (V + 1,) of every item, zeros where the clients did not share them."""
    rows = list(csv.DictReader(io.StringIO(content_of(path).decode("utf-8", "replace"))))
    counts = np.zeros(num_items + 1, dtype=np.int64)
    try:
        counts[1:] = [int(row.get("training_events", 0)) for row in rows]
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: {error}; the file is damaged") from None
    return counts


def _weights_of(path: Path) -> NamedArrays:
    try:
        weights: NamedArrays = load(content_of(path, "a run that is complete has it"))
    except (SafetensorError, ValueError) as error:
        raise DataError(f"{path}: {error}; the file is damaged") from None
    return weights
