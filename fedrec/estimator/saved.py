"""An estimator on disk: config, weights, frozen embedding table and data in one folder.

    config.toml  estimator.json  model.safetensors  semantic.npy  data/

Plain JSON, TOML, npy and safetensors: nothing in it is ever unpickled. The folder is complete: it
can be copied to a machine that has neither the source of the data nor the text encoder.
"""

import dataclasses
import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from fedrec.config.keys import flat_tables, read_config, to_toml
from fedrec.config.trust import check_trust
from fedrec.errors import ConfigError, DataError, MessageError, ResourceError
from fedrec.estimator.fitting import Fitted, untrained
from fedrec.files.arrays import read_npy
from fedrec.files.atomic import flushed_file, new_folder, read_regular
from fedrec.models.parameters import arrays_of, load_arrays
from fedrec.semantics.table import EmbeddingTable
from fedrec.training.centralised import Epoch

FORMAT = 1
MARK = "estimator.json"


def save(made: Fitted, folder: Path, *, overwrite: bool) -> Path:
    """Write a fitted model; see ``Estimator.save``."""
    folder = folder.expanduser().absolute()
    if folder.exists() and not overwrite:
        raise ResourceError(f"{folder} exists; choose another folder or pass overwrite=True")
    if folder.exists() and not (folder / MARK).is_file():
        raise ResourceError(f"{folder} holds no estimator, so it is not replaced; choose another")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(folder) as draft:
            _write(made, draft)
    except OSError as error:
        raise ResourceError(f"cannot write {folder} ({error.strerror or error})") from error
    return folder


def _write(made: Fitted, folder: Path) -> None:
    names = [name for name, _ in made.model.named_parameters()]
    facts: dict[str, Any] = {
        "format": FORMAT,
        "data_hash": made.dataset.data_hash,
        "history": [dataclasses.asdict(epoch) for epoch in made.history],
        "table": None,
    }
    if made.table is not None:
        kept = {field.name for field in dataclasses.fields(made.table)} - {"vectors"}
        facts["table"] = {name: getattr(made.table, name) for name in sorted(kept)}
        with flushed_file(folder / "semantic.npy") as file:
            np.save(file, made.table.vectors, allow_pickle=False)
    contents = {
        "config.toml": to_toml(made.config).encode(),
        MARK: json.dumps(facts, indent=1).encode(),
        "model.safetensors": safetensors.numpy.save(arrays_of(made.model, names)),
    }
    for name, content in contents.items():
        with flushed_file(folder / name) as file:
            file.write(content)
    assert made.dataset.folder is not None  # fitting prepares its data in one
    shutil.copytree(made.dataset.folder, folder / "data")


def load(folder: Path, *, trust: bool = False) -> Fitted:
    """Read what ``save`` wrote; see ``Estimator.load``.

    Raises:
        DataError: A file is missing or damaged.
        ConfigError: It was written by another version, or its model cannot be imported here.
    """
    folder = folder.expanduser().absolute()
    try:
        facts = json.loads(read_regular(folder / MARK))
        if facts["format"] != FORMAT:
            raise ConfigError(
                f"{folder} has format {facts['format']!r}, this fedrec reads {FORMAT}; fit again"
            )
        tables = tomllib.loads(read_regular(folder / "config.toml").decode())
        weights = safetensors.numpy.load(read_regular(folder / "model.safetensors"))
        table = _table(folder, facts["table"])
        history = [Epoch(**epoch) for epoch in facts["history"]]
    except FileNotFoundError as error:
        raise DataError(f"{folder} holds no estimator: {error.filename} is missing") from None
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise DataError(f"{folder} is damaged ({error}); fit and save again") from None
    config = read_config(flat_tables(tables) | {"data.source": str(folder / "data")})
    check_trust(config, folder, trust=trust, how="trust=True")
    made = untrained(config, table)
    if made.dataset.data_hash != facts["data_hash"]:
        raise DataError(f"{folder / 'data'} holds other data than the model was trained on")
    try:
        load_arrays(made.model, weights, [name for name, _ in made.model.named_parameters()])
    except MessageError as error:
        raise DataError(f"{folder / 'model.safetensors'} is of another model: {error}") from None
    return dataclasses.replace(made, history=history)


def _table(folder: Path, facts: dict[str, Any] | None) -> EmbeddingTable | None:
    if facts is None:
        return None
    vectors = read_npy(folder / "semantic.npy", mmap_mode="r")
    return EmbeddingTable(vectors=vectors, **facts)
