"""Paths as a user names them."""

import errno
import os
from pathlib import Path


def followed(path: Path) -> Path:
    """The absolute path behind all links; what lies behind a missing part stays as it is written.

    Raises:
        OSError: A link to itself, or a name that is too long.
        ValueError: A name that no file can have.
    """
    try:
        return path.resolve(strict=True)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return path.resolve()
    except RuntimeError:  # before Python 3.13; from then on nobody but strict=True looks for it
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None
