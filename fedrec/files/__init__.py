"""Files on disk: where they are kept, how they are written, locked, hashed; the machine.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from fedrec.lazy_exports import lazy_exports

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

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
