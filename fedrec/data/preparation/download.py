"""Download MovieLens from its official address, checked against pinned hashes."""

import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from fedrec.errors import ConfigError, DataError, ResourceError
from fedrec.files.atomic import file_sha256, new_file

_MOVIELENS_LICENCE = (
    "GroupLens, University of Minnesota: research use only, no redistribution and no commercial "
    "use without permission; cite Harper and Konstan, The MovieLens Datasets, ACM TiiS 5(4), 2015"
)

TIMEOUT = 30.0  # seconds without a byte
MAX_BYTES = 1 << 30
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Release:
    """A published file.

    Args:
        address: HTTPS address.
        sha256: SHA-256 of the whole file.
        licence: Licence in one sentence.
    """

    address: str
    sha256: str
    licence: str


@dataclass(frozen=True)
class Downloaded:
    """Result of ``get``.

    Args:
        path: Path of the file.
        bytes: Size of the file in bytes.
        sha256: SHA-256 of the file, the pinned one.
        licence: Licence in one sentence.
        address: Address it comes from.
        was_there: True where nothing was fetched, since the right file was there already.
    """

    path: Path
    bytes: int
    sha256: str
    licence: str
    address: str
    was_there: bool


_SHA256 = {
    "ml-1m": "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    "ml-100k": "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    "ml-latest-small": "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
}
RELEASES = {
    name: Release(
        f"https://files.grouplens.org/datasets/movielens/{name}.zip", sha256, _MOVIELENS_LICENCE
    )
    for name, sha256 in _SHA256.items()
}


def get(
    name: str,
    home: Path,
    *,
    release: Release | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    timeout: float = TIMEOUT,
) -> Downloaded:
    """Make sure that ``home/downloads/<name>.zip`` is the published file.

    Args:
        name: "ml-1m", "ml-100k" or "ml-latest-small".
        home: Folder of fedrec.
        release: Release of another address and hash, for a mirror or a test.
        progress: Callback, called with the bytes so far and the total, None when unknown.
        timeout: Seconds to wait for the next byte.

    Raises:
        ConfigError: An unknown name.
        DataError: What came is not the published file; it is not kept.
        ResourceError: No network, or the folder cannot be written.
    """
    release = release or RELEASES.get(name)
    if release is None:
        raise ConfigError(f"no dataset {name!r} to get; one of {', '.join(RELEASES)}")
    path = home / "downloads" / f"{name}.zip"
    was_there = path.is_file() and file_sha256(path) == release.sha256
    if not was_there:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with new_file(path) as file:
                _fetch(release, path, file.write, progress, timeout)
        except OSError as error:
            raise _cannot_write(path, error) from error
    return Downloaded(
        path, path.stat().st_size, release.sha256, release.licence, release.address, was_there
    )


def _fetch(
    release: Release,
    path: Path,
    write: Callable[[bytes], int],
    progress: Callable[[int, int | None], None] | None,
    timeout: float,
) -> None:
    """Download to a file, and refuse what has not the pinned hash."""
    digest, received = hashlib.sha256(), 0
    way_out = f"try again, or put the file at {path}, or set data.source to a copy of yours"
    try:
        # The default context checks certificates; nothing here may ever switch that off.
        with urllib.request.urlopen(release.address, timeout=timeout) as answer:
            length = answer.headers.get("Content-Length")
            total = int(length) if length and length.isdigit() else None
            while block := answer.read(_BLOCK):
                received += len(block)
                if received > MAX_BYTES:
                    raise DataError(f"{release.address} sends more than {MAX_BYTES} bytes")
                digest.update(block)
                try:
                    write(block)
                except OSError as error:
                    raise _cannot_write(path, error) from error
                if progress is not None:
                    progress(received, total)
    except urllib.error.HTTPError as error:
        raise ResourceError(
            f"{release.address} answers {error.code} {error.reason}; {way_out}"
        ) from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise ResourceError(f"cannot fetch {release.address} ({reason}); {way_out}") from error
    if total is not None and received != total:
        raise DataError(
            f"{release.address} was cut short: {received} of {total} bytes came; {way_out}"
        )
    if digest.hexdigest() != release.sha256:
        raise DataError(
            f"{release.address} sent {received} bytes with sha256 {digest.hexdigest()}, expected "
            f"{release.sha256} (an error page, or another edition); nothing is kept; {way_out}"
        )


def _cannot_write(path: Path, error: OSError) -> ResourceError:
    return ResourceError(
        f"cannot write {path} ({error.strerror or error}); free space there or set FEDREC_HOME to "
        "a folder that can be written"
    )
