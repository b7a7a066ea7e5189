"""Facts of the machine that runs: cores, memory, platform."""

import os
import platform
from typing import Any


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usual_threads() -> int:
    """Threads of torch where nobody says: OMP_NUM_THREADS if it is a number, else all cores."""
    asked = os.environ.get("OMP_NUM_THREADS", "").strip()
    return int(asked) if asked.isdecimal() and int(asked) > 0 else cores()


def memory_gib() -> float | None:
    """Main memory in GiB, None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None


def machine_facts() -> dict[str, Any]:
    """Facts of this machine, as run.json records them: cores, memory_gib, platform."""
    memory = memory_gib()
    return {
        "cores": os.cpu_count(),
        "memory_gib": None if memory is None else round(memory, 1),
        "platform": platform.platform(),
    }
