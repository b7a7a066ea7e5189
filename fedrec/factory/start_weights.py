"""Weights that a run starts from, read from a file and compared with the run's own model."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from fedrec.config.config import Config
from fedrec.config.start_file import KEY, start_content, start_file
from fedrec.config.values.choices import names_in
from fedrec.data.catalog import Catalog
from fedrec.errors import DataError
from fedrec.files.atomic import read_regular
from fedrec.models.parameters import NamedArrays, arrays_of, groups_of
from fedrec.models.recommender import Recommender
from fedrec.runs.checksums import check_files


def start_weights(
    config: Config, model: Recommender, catalog: Catalog, data_hash: str
) -> NamedArrays:
    """Shared weights of ``run.start-from``, float64, in the order of the model's parameters.

    Parameters that are private here start as in any run, also where the file holds them.

    Args:
        config: Config of the run, with ``run.start-from``.
        model: Model of the run.
        catalog: Catalogue of the items.
        data_hash: Hash of the run's data.

    Raises:
        DataError: The file cannot be read, holds other parameters or shapes than the model, no
            finite numbers, or rows of other items.
    """
    value = config.run.start_from
    groups = groups_of(model, names_in(config.model.private))
    if set(model.item_arrays) & set(groups.shared):
        _check_items(value, catalog, data_hash)
    path = start_file(value)
    try:
        given = load(start_content(value))
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{KEY}: {path} is no file of safetensors weights: {error}") from None
    wanted = arrays_of(model, groups.shared)
    extra = [name for name in given if name not in wanted and name not in groups.private]
    for name in [*wanted, *sorted(extra)]:
        seen, own = _shape(given.get(name)), _shape(wanted.get(name))
        if seen != own:
            raise DataError(
                f"{KEY}: {path} is of another model: parameter {name!r} is {seen} there, {own} in "
                "this run; model.* or the data differ"
            )
        if given[name].dtype.kind != "f" or not np.isfinite(given[name]).all():
            raise DataError(f"{KEY}: {path}: parameter {name!r} holds something but finite numbers")
    return {name: given[name].astype(np.float64) for name in wanted}


def _shape(array: np.ndarray | None) -> str:
    return "missing" if array is None else f"of shape {tuple(array.shape)}"


def _check_items(value: str, catalog: Catalog, data_hash: str) -> None:
    """Refuse weights with rows of other items, as far as their folder says what items it has.

    Raises:
        DataError: The items are others, or a file of the folder is damaged.
    """
    folder = Path(value)
    about = _facts(folder / "run.json")
    check_files(folder, about, "model.safetensors", "items.csv")
    facts = about.get("data") or _facts(folder / "estimator.json")
    there = facts.get("hash", facts.get("data_hash"))
    if there in (None, data_hash) or _item_ids(folder / "items.csv") == _cells(catalog.item_ids):
        return
    raise DataError(
        f"{KEY} = {value!r} was trained on other items (data {str(there)[:16]}, here "
        f"{data_hash[:16]}), and row k of its weights belongs to item k there; start from a run on "
        "the same catalogue, or with model.views that learn no row per item"
    )


def _facts(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_regular(path))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _item_ids(path: Path) -> list[str] | None:
    """Original ids in items.csv, in the order of the items; None where there is none."""
    try:
        rows = csv.DictReader(io.StringIO(read_regular(path).decode(), newline=""))
        return _cells([row["original_id"] for row in rows])
    except (OSError, ValueError, KeyError, csv.Error):
        return None


def _cells(ids: list[str]) -> list[str]:
    """Ids without the apostrophe that a cell of a table has before a formula."""
    return [str(one).removeprefix("'") for one in ids]
