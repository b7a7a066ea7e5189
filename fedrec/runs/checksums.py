"""Checksums of a complete run's files, kept in its run.json and compared before a file is used.

run.json has one of its own content, too.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedrec.errors import DataError
from fedrec.files.atomic import file_sha256, sha256

KEY = "files"  # of run.json: name -> sha256
CONFIG = "config_sha256"  # of run.json: of config.toml, as the run has last read it
OF_FILES = (KEY, CONFIG)
SEAL = "sha256"  # of run.json: of all else that is in it
# What a complete run is read from. run.json holds the checksums; logs, figures and the report are
# for people.
CHECKED = (
    "config.toml",
    "rounds.jsonl",
    "metrics.json",
    "users.csv",
    "items.csv",
    "ranks.npz",
    "model.safetensors",
    "items.json",
    "frozen.safetensors",
    "start.safetensors",
)


def checksums(folder: Path) -> dict[str, str]:
    """Name -> sha256 of the files of a complete run, as far as they are there.

    Raises:
        OSError: A file cannot be read.
    """
    return {name: file_sha256(folder / name) for name in CHECKED if (folder / name).is_file()}


def seal(about: Mapping[str, Any]) -> str:
    """The sha256 of the content of a run.json, as JSON has it, without the seal itself."""
    content = {key: value for key, value in about.items() if key != SEAL}
    return sha256(json.dumps(content, sort_keys=True).encode())


def check_seal(about: Mapping[str, Any], where: str) -> None:
    """Refuse the content of a run.json that the run did not write; one of before has no seal.

    Raises:
        DataError: It has been changed.
    """
    if SEAL in about and about[SEAL] != seal(about):
        raise DataError(
            f"{where} is not as the run wrote it: its content does not match its {SEAL!r}; "
            "copy it again from where the run was made, or take that key out of it"
        )


def check_complete(folder: Path, about: Mapping[str, Any]) -> None:
    """Check that a complete run has all the files that it left, as it left them.

    Raises:
        DataError: A file is missing, has other bytes than the run wrote, or cannot be read.
    """
    check_files(folder, about, *CHECKED)
    if missing := [name for name in about.get(KEY) or () if not (folder / name).exists()]:
        raise DataError(
            f"{folder} is {about.get('status')}, but {missing[0]} is missing; copy it again from "
            "where the run was made, or make the run again"
        )


def check_config(folder: Path, about: Mapping[str, Any]) -> None:
    """Check that a run that is not complete still has the config its rounds were made by.

    Raises:
        DataError: config.toml has other bytes than the run wrote, or cannot be read.
    """
    path = folder / "config.toml"
    if CONFIG not in about or not (path.exists() or path.is_symlink()):
        return
    if not path.is_file() or _digest(path) != about[CONFIG]:
        raise DataError(
            f"{path} is not the file that the run wrote, by which its rounds were made: put it "
            f"back; if it was changed to go on, `fedrec resume {folder}` says what differs"
        )


def check_writable(folder: Path) -> None:
    """Refuse to go on where a file of the run is to be written and something else lies.

    Raises:
        DataError: It is no regular file.
    """
    for name in (*CHECKED, "run.json", "log.txt", "report.html"):
        path = folder / name
        if (path.exists() or path.is_symlink()) and not path.is_file():
            raise DataError(
                f"{path} is no regular file, and the run would write it; move it away, or copy the "
                "folder again from where the run was made"
            )


def _digest(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def check_files(folder: Path, about: Mapping[str, Any], *names: str) -> None:
    """Compare files of a run with the checksums in its run.json.

    A missing file is left to whoever reads it, who knows what it is needed for. A run that is not
    complete has no checksums yet.

    Args:
        folder: Folder of the run.
        about: Its run.json.
        names: Names of the files that are about to be used.

    Raises:
        DataError: A file has other bytes than the run wrote, or cannot be read.
    """
    known = about.get(KEY)
    if not isinstance(known, Mapping):
        return
    for name in names:
        path = folder / name
        if name not in known or not (path.exists() or path.is_symlink()):
            continue
        if not path.is_file():  # a folder, a link to itself, a device without an end
            raise DataError(f"{path} is no regular file; copy it again from where the run was made")
        found = _digest(path)
        if found != known[name]:
            raise DataError(
                f"{path} is not the file that the run wrote: its sha256 is {found[:16]}, run.json "
                f"names {str(known[name])[:16]}; copy it again from where the run was made, or "
                "make the run again"
            )
