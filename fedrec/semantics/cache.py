"""Cache of arrays on disk: made once, checked whenever opened, rebuilt when damaged."""

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fedrec.errors import ResourceError
from fedrec.files.arrays import read_npy
from fedrec.files.atomic import flushed_file, lock, new_folder, sha256

log = logging.getLogger(__name__)

Vectors = npt.NDArray[np.float32]
Manifest = dict[str, Any]


def cached_array(
    folder: Path, build: Callable[[], tuple[Vectors, Manifest]]
) -> tuple[Vectors, Manifest]:
    """Open the array of `folder`, or build and store it there.

    However many processes ask at once, one builds and the others wait for it. The array appears
    whole or not at all; one whose bytes differ from the hash in its manifest is never returned.

    Args:
        folder: Named after a hash of everything that the array depends on.
        build: Function that makes the float32 array and facts about it for the manifest.

    Returns:
        The array, memory-mapped and read-only, and its manifest: the facts and "sha256" of the
        array's bytes.

    Raises:
        ResourceError: The folder cannot be written.
    """
    opened = _opened(folder)
    if opened is not None:
        return opened
    with _lock(folder):
        opened = _opened(folder)
        if opened is None:
            if folder.exists():
                log.warning("semantic cache %s is damaged and is built again", folder)
            vectors, facts = build()
            with _explained(folder):
                _store(folder, vectors, facts)
            opened = _opened(folder)
    if opened is None:
        raise ResourceError(f"{folder} reads other bytes than were written; check the disk")
    return opened


def array_sha256(vectors: Vectors) -> str:
    """Hash of the values in row order, without a copy."""
    return hashlib.sha256(np.ascontiguousarray(vectors).data).hexdigest()


def _opened(folder: Path) -> tuple[Vectors, Manifest] | None:
    """The stored array, or None when it is absent or not what its manifest says."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        digest = manifest.pop("manifest_sha256")
        vectors = read_npy(folder / "vectors.npy", mmap_mode="r")
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    is_sound = (
        digest == _manifest_sha256(manifest)
        and vectors.dtype == np.float32
        and vectors.flags.c_contiguous
        and list(vectors.shape) == manifest.get("shape")
        and array_sha256(vectors) == manifest.get("sha256")
    )
    return (vectors, manifest) if is_sound else None


def _store(folder: Path, vectors: Vectors, facts: Manifest) -> None:
    manifest = {**facts, "shape": list(vectors.shape), "sha256": array_sha256(vectors)}
    manifest["manifest_sha256"] = _manifest_sha256(manifest)
    with new_folder(folder) as draft:
        with flushed_file(draft / "vectors.npy") as file:
            np.save(file, np.ascontiguousarray(vectors), allow_pickle=False)
        with flushed_file(draft / "manifest.json") as file:
            file.write(json.dumps(manifest, indent=1, sort_keys=True).encode())


def _manifest_sha256(manifest: Manifest) -> str:
    return sha256(json.dumps(manifest, sort_keys=True).encode())


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, made with its parents where there is none."""
    with contextlib.ExitStack() as held:
        with _explained(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(lock(folder.with_name(folder.name + ".lock")))
        yield


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResourceError(
            f"cannot store semantic vectors in {folder} ({error.strerror or error}); free space "
            "there or set FEDREC_HOME to a folder that can be written"
        ) from error
