"""A model that can be carried away: weights, frozen tables and items, without any interaction.

    config.toml  model.safetensors  items.json  export.json  program.pt2

``open_recommender`` opens the folder anywhere, and ``torch.export.load("program.pt2")`` without
fedrec.
"""

import contextlib
import dataclasses
import json
import tomllib
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import Tensor, nn
from torch.nn import functional

from fedrec.config.keys import flat_tables, read_config, to_toml
from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError, DataError, MessageError
from fedrec.files.atomic import flushed_file, new_folder, read_regular, sha256
from fedrec.inference.carried import (
    ITEMS,
    catalog_bytes,
    dataset_of_nobody,
    numpy_arrays,
    rebuilt_model,
)
from fedrec.inference.recommender import ReadyRecommender
from fedrec.inference.search import ItemSearch
from fedrec.models.layers.transformer import CausalTransformer
from fedrec.models.parameters import groups_of, load_arrays
from fedrec.models.recommender import next_state
from fedrec.version import __version__

NAME = "export.json"
FORMAT = "fedrec-model-1"
NOBODY = "an exported model holds no user"
PROGRAM = "program.pt2"


class NextItem(nn.Module):
    """Scores of every item behind one history: what ``program.pt2`` computes.

    Args:
        search: Model with its item vectors.
    """

    def __init__(self, search: ItemSearch) -> None:
        super().__init__()
        self.model = search.model
        self.vectors = nn.Parameter(search.vectors.detach().clone(), requires_grad=False)

    def forward(self, items: Tensor, length: Tensor) -> Tensor:
        """Scores (V + 1,) of a history, the newest item last.

        Args:
            items: (1, L) Item numbers, padded with 0 behind.
            length: (1,) How many of them are real.
        """
        everything = torch.arange(len(self.vectors), device=items.device)
        if self.model.task == "cloze":  # item 0 behind the last one: the next item, hidden
            items, length = functional.pad(items, (0, 1)), length + 1
        states, _ = self.model.encode(self.model.look_up(everything), items, length)
        last = states[torch.arange(1, device=items.device), length - 1]
        scores: Tensor = (last @ self.vectors.T)[0]
        return scores


def is_export(folder: Path) -> bool:
    """Whether a folder holds a model that was carried away."""
    return (folder / NAME).is_file()


def export_model(ready: ReadyRecommender, folder: Path) -> dict[str, float]:
    """Write a recommender as a folder that needs neither its data nor its run.

    Args:
        ready: Recommender of a run.
        folder: The new folder.

    Returns:
        "difference": the largest difference of a score between ``program.pt2`` and fedrec, over
        some histories; "scale": the largest score among them.

    Raises:
        ConfigError: The folder is there, or the run is on several sources.
        ResourceError: It cannot be written.
    """
    if folder.exists():
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
    with new_folder(folder) as draft:
        for name, content in (*files.items(), (NAME, json.dumps(about, indent=1).encode())):
            with flushed_file(draft / name) as file:
                file.write(content)
        found = _write_program(ready, draft / PROGRAM)
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


def _write_program(ready: ReadyRecommender, path: Path) -> dict[str, float]:
    """Write ``program.pt2`` and compare its scores with fedrec's own."""
    module = NextItem(ready.search).eval()
    kernels = [part for part in module.modules() if isinstance(part, CausalTransformer)]
    with contextlib.ExitStack() as restored:
        for part in kernels:  # torch alone is on the other side
            restored.callback(setattr, part, "uses_kernel", part.uses_kernel)
            part.uses_kernel = False
        longest = ready.config.model.max_length - (ready.search.model.task == "cloze")
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(module, _history(longest, 1, ready), strict=False)
            torch.export.save(program, path)
        loaded = torch.export.load(path).module()
        difference = scale = 0.0
        for count in {1, min(5, longest), longest}:
            items, length = _history(longest, count, ready)
            with torch.inference_mode():
                ours, _ = next_state(
                    ready.search.model,
                    module.model.look_up(torch.arange(len(module.vectors))),
                    items,
                    length,
                )
                wanted = (ours @ module.vectors.T)[0]
                found = loaded(items, length)
            difference = max(difference, float((found - wanted).abs().max()))
            scale = max(scale, float(wanted.abs().max()))
    return {"difference": difference, "scale": scale}


def _history(longest: int, count: int, ready: ReadyRecommender) -> tuple[Tensor, Tensor]:
    """Some items of the catalogue as one padded history (1, L), and its length (1,)."""
    items = torch.zeros(1, longest, dtype=torch.long)
    items[0, :count] = torch.arange(count) % ready.dataset.catalog.num_items + 1
    return items, torch.tensor([count])
