"""How many bytes lie in a folder, and how they are shown."""

import os
from pathlib import Path


def bytes_in(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; links count as nothing."""
    if path.is_symlink() or not path.exists():
        return 0
    if path.is_file():
        return path.stat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:  # gone meanwhile
                continue
    return total


def shown_bytes(count: float) -> str:
    """A number of bytes with three digits: 512 B, 1.25 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"
