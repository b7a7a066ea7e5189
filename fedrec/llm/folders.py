"""Folders of transformers models: whether they are complete, and their hash."""

import hashlib
from pathlib import Path

from fedrec.errors import ConfigError
from fedrec.files.atomic import file_sha256

_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")


def model_sha256(folder: Path) -> str:
    """One hash over weights, tokenizer, chat template and settings, with their names."""
    total = hashlib.sha256()
    files = {path for pattern in _FILES for path in folder.glob(pattern)}
    for path in sorted(files):
        total.update(f"{path.name}\0{file_sha256(path)}\n".encode())
    return total.hexdigest()


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds no whole transformers model with safetensors weights.

    Raises:
        ConfigError: Settings, weights or tokenizer are missing.
    """
    lacks = [
        what
        for what, pattern in {
            "config.json": "config.json",
            "*.safetensors weights (fedrec never unpickles others)": "*.safetensors",
            "a tokenizer": "tokenizer*",
        }.items()
        if not any(folder.glob(pattern))
    ]
    if lacks:
        raise ConfigError(
            f"--model {folder} lacks {', '.join(lacks)}; expected a folder as save_pretrained of "
            "transformers writes it"
        )
