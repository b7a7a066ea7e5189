"""From what the user typed behind ``--model`` to a language model."""

from pathlib import Path
from typing import Any

from fedrec.errors import ConfigError
from fedrec.llm.chat import LanguageModel
from fedrec.llm.extra import require
from fedrec.llm.smollm2 import FULL_NAME, NAME, smollm2_folder


def is_address(model: str) -> bool:
    """Whether what was typed behind ``--model`` is an http address."""
    return model.startswith(("http://", "https://"))


def open_model(
    model: str, *, name: str = "", revision: str = "", device: str = "cpu", **how: Any
) -> LanguageModel:
    """Open a language model.

    Args:
        model: "smollm2", a transformers folder, or an http address.
        name: Name of the model at an address; of a folder, the name that is recorded.
        revision: What tells its weights from others of that name, for an address.
        device: Device for a model of this process.
        how: Further arguments of ``AddressModel``, for an address.

    Raises:
        ConfigError: None of the three.
        ResourceError: A package is missing.
    """
    if is_address(model):
        require(f"--model {model.partition('://')[0]}://...", "httpx", "pydantic")
        from fedrec.llm.address import AddressModel

        return AddressModel(model, name, revision=revision, **how)
    folder = Path(model).expanduser()
    if model != NAME and not folder.is_dir():
        raise ConfigError(
            f"--model {model!r} is no folder here; give {NAME}, a transformers folder, or an "
            "address such as http://127.0.0.1:8000/v1"
        )
    require(f"--model {model}", "transformers")
    from fedrec.llm.local import LocalModel

    if model == NAME:
        return LocalModel(smollm2_folder(), FULL_NAME, device)
    return LocalModel(folder.resolve(), name, device)
