"""Adapters of a finished run, merged into the language model that answers."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load

from fedrec.config.keys import flat_tables, read_config
from fedrec.errors import ConfigError, DataError, MessageError
from fedrec.files.atomic import sha256
from fedrec.llm.chat import LanguageModel
from fedrec.llm.local import LocalModel
from fedrec.models.parameters import load_arrays
from fedrec.runs.checksums import check_files
from fedrec.runs.record import content_of
from fedrec.runs.record import load as load_run


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

    run = load_run(folder)
    config = read_config(flat_tables(run.config))
    if config.model.name != "lora" or config.lora.aggregation == "fedsa":
        raise ConfigError(
            f"dualrec.adapters = {str(folder)!r} is a run with model.name = {config.model.name!r} "
            f"and lora.aggregation = {config.lora.aggregation!r}; expected adapters that all share"
        )
    check_files(run.folder, run.about, "model.safetensors")
    base = f"sha256:{base_sha256(config.lora.base)}"
    if not isinstance(model, LocalModel) or model.revision != base:
        raise ConfigError(
            f"dualrec.adapters = {str(folder)!r} is of lora.base = {config.lora.base!r}, another "
            f"model than dualrec.language-model ({model.name})"
        )
    content = content_of(run.folder / "model.safetensors", "a run that is complete has it")
    try:
        weights = load(content)
        adapted, _ = with_adapters(config.lora, config.seed)
        load_arrays(
            adapted,
            {name.removeprefix("language_model."): array for name, array in weights.items()},
            [name.removeprefix("language_model.") for name in weights],
        )
    except (SafetensorError, ValueError, KeyError, MessageError) as error:
        raise DataError(f"{run.folder / 'model.safetensors'}: {error}") from None
    model.take(
        adapted.merge_and_unload(),  # type: ignore[operator]  # of peft
        f"+ adapters sha256:{sha256(content)[:16]}",
    )
