"""A model that can be carried away: weights, frozen tables and items, without any interaction.

    config.toml  model.safetensors  items.json  export.json  program.pt2

``open_recommender`` opens the folder anywhere, and ``torch.export.load("program.pt2")`` without
fedrec; in its place there may be a program for ONNX Runtime or ExecuTorch.
"""

import dataclasses
import json
import os
import time
import tomllib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fedrec.config.keys import flat_tables, read_config, to_toml
from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError, DataError, EvaluationError, MessageError, ResourceError
from fedrec.files.atomic import flushed_file, new_folder, read_regular, sha256
from fedrec.inference.carried import (
    ITEMS,
    catalog_bytes,
    dataset_of_nobody,
    numpy_arrays,
    rebuilt_model,
)
from fedrec.inference.formats import FORMATS, Scores, quiet
from fedrec.inference.program import NextItem
from fedrec.inference.recommender import ReadyRecommender
from fedrec.inference.search import ItemSearch
from fedrec.models.parameters import groups_of, load_arrays
from fedrec.randomness import generator
from fedrec.version import __version__

NAME = "export.json"
FORMAT = "fedrec-model-1"
NOBODY = "an exported model holds no user"
PROGRAM = FORMATS["folder"].file
TOLERANCE = 1e-4  # of a score, relative to the largest one above 1
HISTORIES = 20  # that are compared, from one item to the longest
WARM_UP = 3  # of them whose time does not count
TOP = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parity:
    """How an exported program stands beside fedrec, over some histories.

    Attributes:
        histories: How many were compared.
        same_items: How many of them have the same top 10, in the same order.
        difference: Largest difference of a score.
        scale: Largest score.
        milliseconds: Median time of the program for one history, on this machine.
        bytes: Size of its file.
    """

    histories: int
    same_items: int
    difference: float
    scale: float
    milliseconds: float
    bytes: int


def is_export(folder: Path) -> bool:
    """Whether a folder holds a model that was carried away."""
    return (folder / NAME).is_file()


def export_model(ready: ReadyRecommender, folder: Path, to: str = "folder") -> Parity:
    """Write a recommender as a folder that needs neither its data nor its run.

    Args:
        ready: Recommender of a run.
        folder: The new folder.
        to: What computes the scores without fedrec: "folder" for ``program.pt2`` of torch, "onnx"
            for ``program.onnx``, "pte" for ``program.pte`` of ExecuTorch.

    Returns:
        The program beside fedrec.

    Raises:
        ConfigError: The folder is there, the run is on several sources, or an unknown format.
        EvaluationError: The program gives other scores than fedrec.
        ResourceError: A package is missing, or the folder cannot be written.
    """
    if to not in FORMATS:
        raise ConfigError(f"--to must be one of {', '.join(FORMATS)}, got {to!r}")
    FORMATS[to].require(to)
    if os.path.lexists(folder):  # a link that leads nowhere, too
        raise ConfigError(f"--out {folder} is there already; name a new folder")
    if ready.dataset.domains is not None:
        raise ConfigError("a run on several sources is not exported; export a run on one of them")
    config, model = ready.config, ready.search.model
    source = dataclasses.replace(config.data, source=ready.dataset.name, items="")
    arrays = numpy_arrays(dict((*model.named_parameters(), *model.named_buffers())))
    files = {
        "config.toml": to_toml(dataclasses.replace(config, data=source)).encode(),
        "model.safetensors": save(arrays),
        ITEMS: catalog_bytes(ready.dataset.catalog),
    }
    about = {
        "format": FORMAT,
        "fedrec": __version__,
        "run": ready.name,
        "data": {"name": ready.dataset.name, "hash": ready.dataset.data_hash},
        "items": ready.dataset.catalog.num_items,
        "longest_history": config.model.max_length,
        "sha256": {name: sha256(content) for name, content in files.items()},
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError(f"{folder.parent} cannot be made: {error.strerror}") from None
    with new_folder(folder) as draft:
        for name, content in (*files.items(), (NAME, json.dumps(about, indent=1).encode())):
            with flushed_file(draft / name) as file:
                file.write(content)
        found = _write_program(ready, draft, to)
    return found


def open_export(folder: Path) -> ReadyRecommender:
    """Open what ``export_model`` wrote; nothing else is read, and nothing is fetched.

    Raises:
        DataError: A file is missing or was changed.
    """
    try:
        about = json.loads(read_regular(folder / NAME))
        if about["format"] != FORMAT:
            raise DataError(f"{folder / NAME} is of format {about['format']!r}, expected {FORMAT}")
        contents = {name: read_regular(folder / name) for name in about["sha256"]}
        for name, content in contents.items():
            if sha256(content) != about["sha256"][name]:
                raise DataError(f"{folder / name} is not the file that was exported; copy it again")
        tables = tomllib.loads(contents["config.toml"].decode())
        catalog = Catalog.from_json(json.loads(contents[ITEMS]))
        arrays = load(contents["model.safetensors"])
        config = read_config(flat_tables(tables))
        model = rebuilt_model(config, catalog, arrays)
        load_arrays(
            model, {name: arrays[name] for name in groups_of(model).shared}, groups_of(model).shared
        )
        data = about["data"]
    except OSError as error:
        raise DataError(f"{error.filename or folder} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, SafetensorError, MessageError) as error:
        raise DataError(f"{folder} is no model that fedrec exported ({error})") from None
    dataset = dataset_of_nobody(str(data["name"]), catalog, str(data["hash"]), NOBODY)
    search = ItemSearch(model, catalog.num_items, config.model.max_length)
    return ReadyRecommender(str(about["run"]), config, dataset, catalog, search)


def _write_program(ready: ReadyRecommender, folder: Path, to: str) -> Parity:
    """Write the program and compare it with fedrec."""
    longest = ready.config.model.max_length - (ready.search.model.task == "cloze")
    path = folder / FORMATS[to].file
    items, length = _inputs(np.array([1]), longest)
    with quiet():
        FORMATS[to].write(
            NextItem(ready.search), (torch.from_numpy(items), torch.from_numpy(length)), path
        )
        scores = FORMATS[to].load(path)
    found = _parity(ready, scores, longest, path.stat().st_size)
    if found.difference > TOLERANCE * max(1.0, found.scale):
        raise EvaluationError(
            f"{path.name} gives other scores than fedrec: they differ by {found.difference:.2g} "
            f"where the largest is {found.scale:.3g}; it is not written"
        )
    return found


def _parity(ready: ReadyRecommender, scores: Scores, longest: int, size: int) -> Parity:
    """Compare a program with fedrec's own lists over histories of all lengths."""
    num_items = ready.dataset.catalog.num_items
    draw = generator(ready.config.seed, "export")
    k = min(TOP, num_items)
    difference, scale, same, seconds = 0.0, 0.0, 0, []
    for number in range(HISTORIES):
        count = max(1, longest * number // (HISTORIES - 1))
        history = draw.integers(1, num_items + 1, size=count)
        wanted = ready.search.top([history], k, exclude=False)
        items, length = _inputs(history, longest)
        start = time.perf_counter()
        found = scores(items, length)
        seconds.append(time.perf_counter() - start)
        best = np.argsort(-found[1:], kind="stable")[:k] + 1
        same += bool((best == wanted.items[0]).all())
        apart = np.abs(found[wanted.items[0]] - wanted.scores[0])
        difference = max(difference, float(apart.max()))
        scale = max(scale, float(np.abs(wanted.scores).max()))
    return Parity(
        histories=HISTORIES,
        same_items=same,
        difference=difference,
        scale=scale,
        milliseconds=1000 * float(np.median(seconds[WARM_UP:])),
        bytes=size,
    )


def _inputs(history: NDArray[np.int64], longest: int) -> tuple[NDArray[np.int64], ...]:
    """A history of item numbers as one padded row (1, L), and its length (1,)."""
    items = np.zeros((1, longest), dtype=np.int64)
    items[0, : len(history)] = history
    return items, np.array([len(history)], dtype=np.int64)
