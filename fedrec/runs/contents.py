"""Contents of the files of a run folder: bytes, JSON objects, TOML."""

import json
import tomllib
from pathlib import Path
from typing import Any

from fedrec.errors import DataError
from fedrec.files.atomic import read_regular


def content_of(path: Path, hint: str = "") -> bytes:
    """The bytes of a file of a run.

    Args:
        path: Path of the file.
        hint: What a user may look at if it is missing; whether the folder is right, if none.

    Raises:
        DataError: There is no such file, or it cannot be read.
    """
    try:
        return read_regular(path)
    except FileNotFoundError:
        hint = hint or f"is {path.parent} the folder of a run?"
        raise DataError(f"{path} is missing; {hint}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def parse_json(text: bytes, where: str) -> dict[str, Any]:
    """Parse one JSON object; NaN and infinity, which JSON does not know, are refused.

    Args:
        text: UTF-8 text.
        where: What it is of, for the message.

    Raises:
        DataError: It is no JSON object.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON number")

    try:
        record = json.loads(text.decode(), parse_constant=refuse)
    except ValueError as error:
        raise DataError(f"{where}: {error}; the file is damaged") from None
    if not isinstance(record, dict):
        raise DataError(f"{where}: a {type(record).__name__} instead of a JSON object")
    return record


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file of a run.

    Raises:
        DataError: It is missing or damaged.
    """
    try:
        return tomllib.loads(content_of(path).decode())
    except ValueError as error:
        raise DataError(f"{path}: {error}; the file is damaged") from None
