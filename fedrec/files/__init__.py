"""Files on disk: where they are kept, how they are written, locked, hashed; the machine.

Names are imported when they are first used.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedrec.files.atomic import (
        file_sha256,
        flush,
        flush_folder,
        flushed_file,
        lock,
        new_file,
        new_folder,
        sha256,
        try_lock,
        write_file,
    )
    from fedrec.files.machine import cores, machine_facts, memory_gib

__all__ = [
    "cores",
    "file_sha256",
    "flush",
    "flush_folder",
    "flushed_file",
    "lock",
    "machine_facts",
    "memory_gib",
    "new_file",
    "new_folder",
    "sha256",
    "try_lock",
    "write_file",
]

_HOMES = {
    "cores": "fedrec.files.machine",
    "file_sha256": "fedrec.files.atomic",
    "flush": "fedrec.files.atomic",
    "flush_folder": "fedrec.files.atomic",
    "flushed_file": "fedrec.files.atomic",
    "lock": "fedrec.files.atomic",
    "machine_facts": "fedrec.files.machine",
    "memory_gib": "fedrec.files.machine",
    "new_file": "fedrec.files.atomic",
    "new_folder": "fedrec.files.atomic",
    "sha256": "fedrec.files.atomic",
    "try_lock": "fedrec.files.atomic",
    "write_file": "fedrec.files.atomic",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'fedrec.files' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
