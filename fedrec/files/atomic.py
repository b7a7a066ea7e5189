"""Files and folders that appear whole or not at all, locks between processes, and hashes.

What is written goes to a draft beside its target, reaches the disk, and is renamed into place: a
reader sees the old content or the new one, and a process killed meanwhile leaves a draft at most.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from fedrec.errors import ResourceError

DRAFT = r"\.\w+\.tmp"  # what follows ".<name of the file>" in the name of a file's draft

_RETRY = 0.05  # seconds between two tries for a lock, where the system cannot wait for it


# ---------------------------------------------------------------------------------- writing


def write_file(path: Path, content: bytes) -> None:
    """Replace a file by new content, durably and atomically.

    Raises:
        ResourceError: The disk is full or the file cannot be written; the old file is intact.
    """
    try:
        with new_file(path) as file:
            file.write(content)
    except OSError as error:
        raise ResourceError(f"{path} cannot be written: {error.strerror or error}") from None


@contextlib.contextmanager
def new_file(path: Path, *, mode: int = 0o666, durable: bool = True) -> Iterator[BinaryIO]:
    """Open a draft that replaces ``path`` when the block ends, and is removed when it fails.

    Any number of processes and threads may do so at once; the last one to end wins.

    Args:
        path: Target, in a folder that exists.
        mode: Permissions of a new file before the umask; 0o600 hides it from other users.
        durable: Flush to the disk before the rename. Leave it out only where a torn file is found
            by its hash and can be lost.

    Raises:
        OSError: The file system refuses.
    """
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            yield file
            if durable:
                flush(file)
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Make a draft folder that takes the place of ``folder`` when the block ends.

    Killed between the removal of an old folder and the rename, neither is there: hold a lock, and
    make what is missing again. The files inside must be written with ``flushed_file``.

    Args:
        folder: Target; what lies there is removed.

    Raises:
        OSError: The file system refuses.
    """
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name[:16]}-", dir=folder.parent))
    try:
        yield draft
        if folder.exists():
            shutil.rmtree(folder)
        draft.chmod(0o755)  # mkdtemp's is 0700; others may read a shared home
        os.replace(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextlib.contextmanager
def flushed_file(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that is on the disk when the block ends; for the inside of a draft folder.

    Raises:
        OSError: The file system refuses, or there is such a file.
    """
    with path.open("xb") as file:
        yield file
        flush(file)


def flush(file: IO[bytes] | IO[str]) -> None:
    """Wait until all that was written to an open file is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk: new files, renames, removals."""
    if sys.platform == "win32":
        return  # a folder cannot be opened there; its file system writes names by itself
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------------------------- reading


def read_regular(path: Path) -> bytes:
    """The content of a regular file: a pipe would be waited for, a device may have no end.

    Raises:
        OSError: There is no such file, it is of another kind, or it cannot be read.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        return file.read()


# ------------------------------------------------------------------------------------ locks


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Wait for a lock file and hold it; the system releases it however the process ends.

    Raises:
        OSError: The file cannot be opened.
    """
    with path.open("a") as file:
        _take(file.fileno(), waits=True)
        yield


def try_lock(path: Path) -> int | None:
    """Take a lock without waiting: an open descriptor, or None where another process holds it.

    The lock is held until the descriptor is closed. The holder may remove the file before.

    Raises:
        OSError: The file cannot be opened.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0))
        if not _take(file, waits=False):
            os.close(file)
            return None
        # The holder before us may have removed the file between the two calls.
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(file).st_ino == path.stat().st_ino:
                return file
        os.close(file)


def _take(descriptor: int, *, waits: bool) -> bool:
    """Lock an open file; False where another process holds it and nobody waits."""
    try:
        import fcntl
    except ImportError:  # Windows
        return _take_first_byte(descriptor, waits=waits)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take_first_byte(descriptor: int, *, waits: bool) -> bool:
    """Lock the first byte of a file: all that Windows offers, and it gives up after ten tries."""
    try:
        import msvcrt
    except ImportError:
        raise ResourceError(
            f"Python on {sys.platform} has neither fcntl nor msvcrt, so files cannot be locked "
            "between processes; use Linux, macOS or Windows"
        ) from None
    while True:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]  # Windows alone
        except OSError:
            if not waits:
                return False
            time.sleep(_RETRY)
        else:
            return True


# ----------------------------------------------------------------------------------- hashes


def sha256(content: bytes) -> str:
    """Hash of bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def file_sha256(path: Path) -> str:
    """Hash of a file's content, read in blocks.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
