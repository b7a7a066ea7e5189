"""What a folder needs beside the trained weights to recommend without its data.

items.json           the catalogue: ids, titles, genres, years, texts
frozen.safetensors   arrays that are not trained: embedding tables, content, training counts
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load, save
from torch import Tensor

from fedrec.config.config import Config
from fedrec.config.values.choices import OF_USERS, VIEWS, names_in, view_name
from fedrec.data.catalog import Catalog
from fedrec.data.domains import COLUMN
from fedrec.data.preparation.store import Dataset
from fedrec.data.sequences import Sequences
from fedrec.factory.build_model import build_model
from fedrec.factory.model import item_features
from fedrec.files.atomic import read_regular
from fedrec.models.recommender import Recommender

ITEMS = "items.json"
NO_USERS = "no_users"  # of a manifest: why the users of a dataset are not known
FROZEN = "frozen.safetensors"
LARGEST = 256 << 20  # bytes of arrays that a run keeps a copy of
WITHOUT_VECTORS = (*OF_USERS, "lora")  # models that no history of items is recommended by


def carried_files(config: Config, catalog: Catalog, model: Recommender) -> dict[str, bytes]:
    """Name -> content of the files that a run leaves for ``open_recommender``.

    None where it would not open them: a multi-domain source, a model that reads times, one without
    item vectors; nor where the arrays take more than ``LARGEST`` bytes.

    Args:
        config: Config of the run.
        catalog: Items of its data.
        model: Its model.
    """
    arrays = numpy_arrays(dict(model.named_buffers()))
    if (
        config.model.name in WITHOUT_VECTORS
        or config.model.time
        or COLUMN in catalog.columns
        or sum(array.nbytes for array in arrays.values()) > LARGEST
    ):
        return {}
    return {ITEMS: catalog_bytes(catalog), FROZEN: save(arrays)}


def read_carried(
    folder: Path, config: Config, name: str, data_hash: str, reason: str
) -> tuple[Dataset, Recommender]:
    """Catalogue without users, and the model before its weights, of a run's own files.

    Args:
        folder: Folder of the run.
        config: Its config.
        name: Name of its data.
        data_hash: Hash of its data.
        reason: Why its users are not known, for messages.

    Raises:
        OSError: A file is missing or cannot be read.
        ValueError: A file is damaged.
    """
    catalog = Catalog.from_json(json.loads(read_regular(folder / ITEMS)))
    arrays = load(read_regular(folder / FROZEN))
    dataset = dataset_of_nobody(name, catalog, data_hash, reason)
    return dataset, rebuilt_model(config, catalog, arrays)


def catalog_bytes(catalog: Catalog) -> bytes:
    """A catalogue as JSON; halves of surrogate pairs as escapes."""
    return json.dumps(catalog.to_json(), ensure_ascii=False).encode("utf-8", "backslashreplace")


def numpy_arrays(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Float tensors by name as float32 arrays."""
    return {
        name: np.ascontiguousarray(tensor.detach().float().cpu().numpy())
        for name, tensor in tensors.items()
        if torch.is_floating_point(tensor)
    }


def dataset_of_nobody(name: str, catalog: Catalog, data_hash: str, reason: str) -> Dataset:
    """The items of a dataset without its users, and the reason why they are not known."""
    nobody = Sequences(np.empty(0, dtype=np.int32), np.zeros(1, dtype=np.int64))
    return Dataset(name, catalog, nobody, [], {}, data_hash, {NO_USERS: reason})


def rebuilt_model(
    config: Config, catalog: Catalog, arrays: Mapping[str, np.ndarray]
) -> Recommender:
    """The model with the frozen arrays of a folder, before its weights."""
    own = [view for view in names_in(config.model.views) if view not in VIEWS]
    frequency = arrays.get("frequency", np.zeros(catalog.num_items + 1, dtype=np.float32))
    return build_model(
        config.model,
        num_items=catalog.num_items,
        semantic=arrays.get("views.semantic.table"),
        content=catalog.content_features(),
        frequency=frequency,
        seed=config.seed,
        own_views={
            view: arrays[f"views.{view_name(view)}.table"]
            for view in own
            if f"views.{view_name(view)}.table" in arrays
        },
        features=lambda: item_features(catalog),
    )
