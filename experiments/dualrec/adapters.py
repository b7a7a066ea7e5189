"""Adapters of a finished run, merged into the language model that answers."""

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load

from fedrec.config.config import Config
from fedrec.config.keys import flat_tables, read_config
from fedrec.errors import ConfigError, DataError, MessageError
from fedrec.files.atomic import sha256
from fedrec.llm.chat import LanguageModel
from fedrec.llm.local import LocalModel
from fedrec.models.parameters import NamedArrays, load_arrays
from fedrec.runs.checksums import check_files
from fedrec.runs.contents import content_of
from fedrec.runs.record import load as load_run


@dataclass(frozen=True)
class Adapters:
    """Adapters of a finished run that all of its clients share.

    Attributes:
        config: Config of the run.
        weights: Arrays by name, as the run kept them.
        sha256: Hash of their file.
    """

    config: Config
    weights: NamedArrays
    sha256: str


def read_adapters(folder: Path) -> Adapters:
    """Read the adapters of a complete run.

    Args:
        folder: Folder of a run with model.name = "lora", or its name.

    Raises:
        ConfigError: A run of another model, or one that keeps B with its clients.
        DataError: A file is missing or damaged.
    """
    run = load_run(folder)
    config = read_config(flat_tables(run.config))
    if config.model.name != "lora" or config.lora.aggregation == "fedsa":
        raise ConfigError(
            f"{folder} is a run with model.name = {config.model.name!r} and lora.aggregation = "
            f"{config.lora.aggregation!r}; expected adapters that all clients share"
        )
    check_files(run.folder, run.about, "model.safetensors")
    path = run.folder / "model.safetensors"
    content = content_of(path, "a run that is complete has it")
    try:
        return Adapters(config, load(content), sha256(content))
    except (SafetensorError, ValueError) as error:
        raise DataError(f"{path}: {error}; the file is damaged") from None


def merge_adapters(model: LanguageModel, folder: Path) -> None:
    """Merge the adapters of a run into a language model of this process.

    Args:
        model: The language model; its name and revision tell of the adapters afterwards.
        folder: Folder of a run with model.name = "lora", or its name.

    Raises:
        ConfigError: The run has no adapters for all, or those of another model.
        DataError: A file is missing or damaged.
    """
    from fedrec.llm.lora.base import base_sha256, with_adapters

    found = read_adapters(folder)
    lora = found.config.lora
    base = f"sha256:{base_sha256(lora.base)}"
    if not isinstance(model, LocalModel) or model.revision != base:
        raise ConfigError(
            f"dualrec.adapters = {str(folder)!r} is of lora.base = {lora.base!r}, another model "
            f"than dualrec.language-model ({model.name})"
        )
    adapted, _ = with_adapters(lora, found.config.seed)
    weights = {n.removeprefix("language_model."): array for n, array in found.weights.items()}
    try:
        load_arrays(adapted, weights, weights)
    except (KeyError, MessageError) as error:
        raise DataError(f"{folder} holds adapters of other layers: {error}") from None
    model.take(
        adapted.merge_and_unload(),  # type: ignore[operator]  # of peft
        f"+ adapters sha256:{found.sha256[:16]}",
    )
