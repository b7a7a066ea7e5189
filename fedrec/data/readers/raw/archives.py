"""Reading files out of a folder, a zip or a tar, without ever extracting to disk.

Every member of an archive is checked before any is used: a name that leaves the archive, a link or
a size beyond the limits refuses the whole archive, since such a file is not what it claims to be.
"""

import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from fedrec.errors import DataError

MAX_FILE_BYTES = 1 << 30
MAX_TOTAL_BYTES = 2 << 30
MAX_MEMBERS = 100_000

_TAR_SUFFIXES = (".tar", ".tar.xz", ".tar.gz", ".tgz", ".txz", ".tar.bz2")


@dataclass(frozen=True)
class Listing:
    """Names of the files at a place, among which a reader detects its layout.

    Attributes:
        root: Folder or archive.
        names: Names of all files in it.
        only: File of events that the user named, "" for any.
        format: Layout that the user asks for, or "auto".
    """

    root: Path
    names: tuple[str, ...]
    only: str = ""
    format: str = "auto"


@dataclass(frozen=True)
class LayoutFiles:
    """Files of a known layout.

    Attributes:
        layout: One of ``fedrec.data.readers.detect.LAYOUTS``.
        name: Name of the data.
        root: Folder or archive.
        members: What a file is for ("events", "items") -> its name in the root.
        key: What else the prepared data depend on, beside layout and bytes.
    """

    layout: str
    name: str
    root: Path
    members: dict[str, str]
    key: dict[str, str] = field(default_factory=dict)


def is_archive(path: Path) -> bool:
    """Whether the name is one that ``list_files`` and ``read_files`` open as an archive."""
    return path.name.lower().endswith((".zip", *_TAR_SUFFIXES))


def list_files(
    path: Path, *, max_file_bytes: int = MAX_FILE_BYTES, max_total_bytes: int = MAX_TOTAL_BYTES
) -> list[str]:
    """Names of the regular files in a folder (top level only) or in an archive, sorted.

    Raises:
        DataError: The path is missing, no archive, damaged, or holds an unsafe member.
    """
    if path.is_dir():
        return sorted(entry.name for entry in path.iterdir() if entry.is_file())
    limits = max_file_bytes, max_total_bytes
    return sorted(_open_and_read(path, (), limits)[0])


def read_files(
    path: Path,
    names: Iterable[str],
    *,
    max_file_bytes: int = MAX_FILE_BYTES,
    max_total_bytes: int = MAX_TOTAL_BYTES,
) -> dict[str, bytes]:
    """Contents of the files named, all members checked first.

    Args:
        path: Folder, zip or tar.
        names: Names of the files, as ``list_files`` gives them.
        max_file_bytes: Unpacked size of one member.
        max_total_bytes: Unpacked size of all members together.

    Raises:
        DataError: As for ``list_files``, or a name is missing.
    """
    wanted = tuple(names)
    if path.is_dir():
        return {name: _read_plain(path / name, max_file_bytes) for name in wanted}
    listed, contents = _open_and_read(path, wanted, (max_file_bytes, max_total_bytes))
    missing = sorted(set(wanted) - set(listed))
    if missing:
        raise DataError(f"{path} does not hold {missing[0]!r}; it holds {sorted(listed)[:10]}")
    return contents


def _read_plain(path: Path, max_file_bytes: int) -> bytes:
    try:
        if path.stat().st_size > max_file_bytes:
            raise DataError(
                f"{path} has {path.stat().st_size} bytes, the limit is {max_file_bytes}"
            )
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; check data.source") from error


def _open_and_read(
    path: Path, wanted: tuple[str, ...], limits: tuple[int, int]
) -> tuple[list[str], dict[str, bytes]]:
    if not path.is_file():
        raise DataError(f"{path} does not exist; set data.source to a file or folder that does")
    read = _read_zip if path.name.lower().endswith(".zip") else _read_tar
    try:
        return read(path, wanted, limits)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        LZMAError,
        zlib.error,
        EOFError,
        OSError,
        ValueError,  # nonsense in a damaged header
        RuntimeError,  # zipfile: an encrypted member
        NotImplementedError,  # zipfile: a compression method Python lacks
    ) as error:
        raise DataError(
            f"{path} is not a whole archive ({error}); fetch it again or set data.source to another"
        ) from error


def _read_zip(
    path: Path, wanted: tuple[str, ...], limits: tuple[int, int]
) -> tuple[list[str], dict[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        members, total = [], 0
        for count, member in enumerate(archive.infolist(), start=1):
            if member.flag_bits & 1 and member.filename in wanted:
                raise DataError(
                    f"{path} holds {member.filename!r} behind a password; unpack it and set "
                    "data.source to the file"
                )
            # The upper 16 bits hold the Unix mode; 0o120000 marks a symbolic link.
            is_link = (member.external_attr >> 16) & 0o170000 == 0o120000
            _check_member(path, member.filename, is_link=is_link)
            total += member.file_size
            _check_size(path, member.filename, member.file_size, total, count, limits)
            if not member.is_dir():
                members.append(member.filename)
        # zipfile stops at the declared size and checks the CRC: a lying header cannot grow.
        return members, {name: archive.read(name) for name in wanted if name in members}


def _read_tar(
    path: Path, wanted: tuple[str, ...], limits: tuple[int, int]
) -> tuple[list[str], dict[str, bytes]]:
    members, contents, total = [], {}, 0
    with tarfile.open(path) as archive:
        # One pass, each header checked before the member's bytes are unpacked.
        for count, member in enumerate(archive, start=1):
            special = not (member.isfile() or member.isdir())
            _check_member(path, member.name, is_link=special)
            total += member.size
            _check_size(path, member.name, member.size, total, count, limits)
            if not member.isfile():
                continue
            members.append(member.name)
            stream = archive.extractfile(member) if member.name in wanted else None
            if stream is not None:
                contents[member.name] = stream.read()
        # The compressor's checksum stands at the end of the stream, behind the last member.
        while archive.fileobj is not None and (rest := archive.fileobj.read(1 << 20)):
            total += len(rest)
            if total > limits[1]:
                raise DataError(f"{path} unpacks to more than {limits[1]} bytes")
    return members, contents


def _check_member(path: Path, name: str, *, is_link: bool) -> None:
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in name.split("/")[0] or "\0" in name:
        raise DataError(f"{path} holds {name!r}, a name outside the archive; it is refused")
    if is_link:
        raise DataError(f"{path} holds {name!r}, a link or device; only plain files are accepted")


def _check_size(
    path: Path, name: str, size: int, total: int, count: int, limits: tuple[int, int]
) -> None:
    max_file_bytes, max_total_bytes = limits
    if size > max_file_bytes:
        raise DataError(f"{path} holds {name!r} of {size} bytes, the limit is {max_file_bytes}")
    if total > max_total_bytes or count > MAX_MEMBERS:
        raise DataError(
            f"{path} unpacks to {total} bytes in {count} or more files, "
            f"the limits are {max_total_bytes} and {MAX_MEMBERS}"
        )
