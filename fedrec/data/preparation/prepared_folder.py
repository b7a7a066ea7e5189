"""The folder of prepared data: arrays, a JSON catalogue, users and a manifest that proves them.

It appears whole or not at all. Nothing in it is ever unpickled.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fedrec.data.catalog import Catalog
from fedrec.data.interactions import Prepared
from fedrec.errors import DataError
from fedrec.files.arrays import read_npy
from fedrec.files.atomic import flushed_file, new_folder, sha256

# Raise when what is stored, or the rule that makes it, changes: old folders are then made anew.
FORMAT = 1

_ARRAYS = ("items", "offsets", "times")


def make_manifest(prepared: Prepared, *, name: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Make the manifest: facts, counts and the hash of every part, and of all as the data hash."""
    documents = _documents(prepared)
    parts = {
        "catalog": sha256(documents["catalog.json"]),
        "users": sha256(documents["users.json"]),
    }
    for array_name in _ARRAYS:
        array = getattr(prepared.sequences, array_name)
        if array is not None:
            parts[array_name] = _array_sha256(array)
    return {
        "format": FORMAT,
        "name": name,
        "facts": facts,
        "users": prepared.sequences.num_users,
        "items": prepared.catalog.num_items,
        "events": prepared.sequences.num_events,
        "skipped": prepared.skipped,
        "parts": parts,
        "data_hash": _parts_sha256(parts),
    }


def write_folder(folder: Path, prepared: Prepared, manifest: dict[str, Any]) -> None:
    """Write prepared data, all of it or nothing; what was in the folder is replaced."""
    with new_folder(folder) as draft:
        for name in _ARRAYS:
            array = getattr(prepared.sequences, name)
            if array is not None:
                with flushed_file(draft / f"{name}.npy") as file:
                    np.save(file, array, allow_pickle=False)
        documents = {**_documents(prepared), "manifest.json": json_bytes(manifest)}
        for name, data in documents.items():
            with flushed_file(draft / name) as file:
                file.write(data)


def open_catalog(folder: Path) -> tuple[Catalog, str]:
    """The catalogue and the data hash, from ``catalog.json`` and ``manifest.json`` alone.

    Raises:
        DataError: The folder is missing, of another format version or damaged.
    """
    manifest = read_manifest(folder)
    text = read_document(folder, "catalog.json", manifest["parts"]["catalog"])
    return Catalog.from_json(json.loads(text)), manifest["data_hash"]


def find_prepared(data_hash: str, home: Path) -> Path | None:
    """The folder under ``home/prepared`` that holds the data of a hash; none if there is none."""
    for path in sorted((home / "prepared").glob("*/manifest.json")):
        try:
            found = json.loads(path.read_bytes()).get("data_hash")
        except (OSError, ValueError, AttributeError):
            continue  # another dataset's folder, half-made or damaged, is not ours to judge
        if found == data_hash:
            return path.parent
    return None


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder.

    Raises:
        DataError: The folder is missing, of another format version or damaged.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} does not exist; prepare the data first")
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        version = manifest["format"]
        if version != FORMAT:
            raise DataError(
                f"{folder} has format version {version}, this fedrec reads {FORMAT}; "
                "delete the folder and prepare the data again"
            )
        if not isinstance(manifest["name"], str) or "catalog" not in manifest["parts"]:
            raise ValueError("manifest.json lacks a part")
        if manifest["data_hash"] != _parts_sha256(manifest["parts"]):
            raise ValueError("manifest.json contradicts itself")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(folder, str(error)) from error
    return cast(dict[str, Any], manifest)


def read_arrays(folder: Path, parts: dict[str, str]) -> dict[str, NDArray[Any]]:
    """The arrays of a folder, memory-mapped and read-only, checked against the manifest's hashes.

    Args:
        folder: Folder of prepared data.
        parts: Part -> sha256, of the manifest; data without times have no such part.

    Raises:
        DataError: An array is missing or damaged.
    """
    arrays: dict[str, NDArray[Any]] = {}
    try:
        for name in _ARRAYS:
            if name not in parts:
                continue
            array = read_npy(folder / f"{name}.npy", mmap_mode="r")
            if _array_sha256(array) != parts[name]:
                raise ValueError(f"{name}.npy holds other bytes than were written")
            arrays[name] = array
    except (OSError, ValueError) as error:
        raise damaged(folder, str(error)) from error
    return arrays


def read_document(folder: Path, file: str, digest: str) -> bytes:
    """The bytes of a JSON file of the folder.

    Raises:
        DataError: The file is missing or holds other bytes than the hash says.
    """
    try:
        data = (folder / file).read_bytes()
    except OSError as error:
        raise damaged(folder, str(error)) from error
    if sha256(data) != digest:
        raise damaged(folder, f"{file} holds other bytes than were written")
    return data


def damaged(folder: Path, reason: str) -> DataError:
    """The error of a folder that cannot be trusted."""
    return DataError(f"prepared data {folder} is damaged ({reason}); delete it and prepare again")


def _documents(prepared: Prepared) -> dict[str, bytes]:
    users = {"user_ids": prepared.user_ids, "attributes": prepared.attributes}
    return {
        "catalog.json": json_bytes(prepared.catalog.to_json()),
        "users.json": json_bytes(users),
    }


def _array_sha256(array: NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
    digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


def _parts_sha256(parts: dict[str, str]) -> str:
    return sha256(json_bytes(parts))


def json_bytes(value: Any) -> bytes:
    """A value as JSON that is the same for equal values."""
    return json.dumps(value, sort_keys=True, allow_nan=False).encode()
