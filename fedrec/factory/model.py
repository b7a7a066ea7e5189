"""From a run config to its frozen table, its device and its model with initial weights."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from fedrec.config.choices import BASELINE_MODELS, names_in
from fedrec.config.config import Config
from fedrec.config.sections.semantics import Semantics
from fedrec.data.catalog import Catalog
from fedrec.errors import ResourceError
from fedrec.factory.build_model import build_model
from fedrec.factory.data import cold_of
from fedrec.files.home import home
from fedrec.models.recommender import Recommender
from fedrec.semantics.table import SemanticTable, semantic_table


def needs_table(config: Config) -> bool:
    """Whether the model looks at meanings, as a view or to start identity rows from."""
    if config.model.name in BASELINE_MODELS:
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
        cold=cold_of(config, catalog.num_items),
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
