"""Failures of a client: the metadata that travels instead of its reply.

Flower would send a bare exception. The server lists the reason in the round's line, ends the run
with the exit code where all clients failed alike, and writes the first traceback to the log.
"""

import errno
import traceback

import torch

from fedrec import protocol
from fedrec.errors import FedrecError, ResourceError

LONGEST = 400  # characters of a reason that is not ours; torch runs over many lines
LACKING = {
    errno.ENOSPC,  # the disk is full
    errno.EDQUOT,  # the user's share of it is
    errno.EFBIG,  # the file may not grow
    errno.EROFS,
    errno.EIO,
    errno.ENOMEM,
    errno.EMFILE,  # too many open files, of the process or of the machine
    errno.ENFILE,
}


def failure_metadata(error: Exception) -> dict[str, str | int]:
    """Reason and exit code; also the traceback where neither user nor machine is at fault."""
    if isinstance(error, FedrecError):
        return {protocol.ERROR: _sendable(str(error)), protocol.EXIT_CODE: error.exit_code}
    lack = _lack(error)
    if lack is not None:
        return {protocol.ERROR: _one_line(lack), protocol.EXIT_CODE: ResourceError.exit_code}
    return {
        protocol.ERROR: _one_line(f"{type(error).__name__}: {error}"),
        protocol.EXIT_CODE: FedrecError.exit_code,
        protocol.TRACEBACK: _sendable("".join(traceback.format_exception(error))),
    }


def _lack(error: Exception) -> str | None:
    """Message about a resource that the machine lacks, if the error says so."""
    if isinstance(error, OSError) and error.errno in LACKING:
        where = f"{error.filename}: " if error.filename else ""
        return f"its machine refused: {where}{error.strerror}"
    # On the CPU, torch has no class of its own for it.
    out_of_memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )
    if out_of_memory:
        return "its machine ran out of memory; lower local.batch-size or run fewer workers"
    return None


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return _sendable(line if len(line) <= LONGEST else f"{line[:LONGEST]} ...")


def _sendable(text: str) -> str:
    """Without lone surrogates, which file names may hold and messages may not."""
    return text.encode("utf-8", "backslashreplace").decode()
