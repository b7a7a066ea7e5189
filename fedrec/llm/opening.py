"""From what the user wrote to a language model: its name, a folder or an address."""

import os
from pathlib import Path
from typing import Any

from fedrec.errors import ConfigError
from fedrec.llm.chat import LanguageModel
from fedrec.llm.extra import require
from fedrec.llm.smollm2 import FULL_NAME, NAME, smollm2_folder


def is_address(model: str) -> bool:
    """Whether what was typed behind ``--model`` is an http address."""
    return model.startswith(("http://", "https://"))


def model_folder(model: str, setting: str = "--model") -> Path | None:
    """The folder of a language model, none for an address; refuses what cannot be opened.

    Args:
        model: "smollm2", a transformers folder, or an http address.
        setting: Option or key that names it.

    Raises:
        ConfigError: None of the three.
        ResourceError: A package is missing.
    """
    if is_address(model):
        require(f"{setting} {model.partition('://')[0]}://...", "httpx", "pydantic")
        return None
    folder = Path(model).expanduser()
    # ``isdir`` is False, not an error, for a name that is too long.
    if model != NAME and not os.path.isdir(folder):
        raise ConfigError(
            f"{setting} {model!r} is no folder here; give {NAME}, a transformers folder, or an "
            "address such as http://127.0.0.1:8000/v1"
        )
    require(f"{setting} {model}", "transformers")
    return smollm2_folder() if model == NAME else folder.resolve()


def open_model(
    model: str,
    *,
    setting: str = "--model",
    name: str = "",
    revision: str = "",
    device: str = "cpu",
    **how: Any,
) -> LanguageModel:
    """Open a language model.

    Args:
        model: "smollm2", a transformers folder, or an http address.
        setting: Option or key that names it.
        name: Name of the model at an address; of a folder, the name that is recorded.
        revision: What tells its weights from others of that name, for an address.
        device: Device for a model of this process.
        how: Further arguments of ``AddressModel``, for an address.

    Raises:
        FedrecError: As ``model_folder``.
    """
    folder = model_folder(model, setting)
    if folder is None:
        from fedrec.llm.address import AddressModel

        return AddressModel(model, name, revision=revision, **how)
    from fedrec.llm.local import LocalModel

    return LocalModel(folder, FULL_NAME if model == NAME else name, device)
