"""Views besides identity, semantic and content: functions, signals and vectors of a file.

A view "package.module:name" is a function of the catalogue that returns one frozen vector per
item, such as prices or pictures, as a float32 array (V + 1, S); row v belongs to item v, and row
0, the padding, is zero. A trained linear layer projects it to the model's width, as it does the
semantic embeddings. Server and clients each call it, and a run is refused where it does not return
the same array everywhere::

    def prices(catalog):
        table = numpy.zeros((catalog.num_items + 1, 1), dtype=numpy.float32)
        table[1:, 0] = [float(price or 0) for price in catalog.columns["price"]]
        return table

"signal-KIND" and "signals-mean" are made of ``semantics.signals``, "vectors-NAME" of a file of
``semantics.vectors``.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fedrec.config.config import Config
from fedrec.config.failures import user_code_failures
from fedrec.config.values.choices import (
    BASELINE_MODELS,
    MODELS,
    VIEWS,
    names_in,
    reads_signals,
    vectors_file,
)
from fedrec.config.values.import_strings import import_callable
from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError
from fedrec.factory.table import signals_view
from fedrec.files.home import home
from fedrec.models.parameters import frozen_parameters
from fedrec.models.recommender import Recommender
from fedrec.semantics.item_vectors import read_vectors
from fedrec.semantics.view_tables import vector_view


def own_views(config: Config, catalog: Catalog) -> dict[str, np.ndarray]:
    """Name in ``model.views`` -> table (V + 1, S) of each view that is none of ``VIEWS``.

    Args:
        config: Config of the run.
        catalog: Catalogue of the items.

    Raises:
        ConfigError: A view cannot be imported, fails, or returns no finite float32 array (V + 1, S)
            whose row 0 is zero; or the file of signals has none of a kind.
        DataError: A file of signals or vectors cannot be read, or is not of this catalogue.
        ResourceError: The weights of the text encoder are missing.
    """
    if config.model.name in BASELINE_MODELS:
        return {}
    views = [view for view in names_in(config.model.views) if view not in VIEWS]
    return {view: _view(view, config, catalog) for view in views}


def inputs_hash(config: Config, catalog: Catalog, model: Callable[[], Recommender]) -> str:
    """Sha256 of what all nodes must have alike besides the data; empty if there is nothing.

    That is further views, the language model under adapters, and parameters of a user's own model
    that are not trained: they never travel.

    Args:
        config: Config of the run.
        catalog: Catalogue of the items.
        model: Makes the model with its initial weights; called for a user's own model only.

    Raises:
        FedrecError: As ``own_views``, or the base of section ``lora`` is missing.
    """
    found = own_views(config, catalog)
    if config.model.name == "lora":
        from fedrec.llm.lora.base import base_sha256

        found[f"lora.base {base_sha256(config.lora.base)}"] = np.zeros(0, dtype=np.float32)
    elif config.model.name not in MODELS:
        frozen = frozen_parameters(model()).items()
        found |= {name: array.float().cpu().numpy() for name, array in frozen}
    return views_hash(found)


def views_hash(views: Mapping[str, np.ndarray]) -> str:
    """Sha256 of named arrays; empty if there are none.

    Args:
        views: Name in ``model.views`` -> table (V + 1, S), as ``own_views`` returns them.
    """
    if not views:
        return ""
    digest = hashlib.sha256()
    for name, table in sorted(views.items()):
        digest.update(f"{name} {table.shape}\n".encode())
        digest.update(table.astype("<f4", copy=False).tobytes())
    return digest.hexdigest()


def _view(view: str, config: Config, catalog: Catalog) -> np.ndarray:
    if reads_signals(view):
        return signals_view(config, catalog, view)
    if name := vectors_file(view):
        semantics = config.semantics
        path = semantics.vector_files[name]
        return vector_view(
            read_vectors(Path(path)),
            catalog,
            path=path,
            width=semantics.width,
            whiten=semantics.whiten,
            home=home(),
        )
    return _table(view, catalog)


def _table(view: str, catalog: Catalog) -> np.ndarray:
    make = import_callable("model.views", view)
    with user_code_failures(f"model.views {view!r} failed on the catalogue"):
        table: Any = make(catalog)
    rows = catalog.num_items + 1
    is_table = isinstance(table, np.ndarray) and table.dtype == np.float32 and table.ndim == 2
    if not is_table or len(table) != rows or not table.shape[1]:
        seen = (
            f"{table.dtype} of shape {table.shape}"
            if isinstance(table, np.ndarray)
            else type(table).__name__
        )
        raise ConfigError(
            f"model.views {view!r} must return a float32 array of shape ({rows}, S), one row per "
            f"item and row 0 for the padding, got {seen}"
        )
    if not np.isfinite(table).all() or table[0].any():
        raise ConfigError(
            f"model.views {view!r} must return finite numbers and zeros in row 0, the padding"
        )
    return np.ascontiguousarray(table)
