"""What ``fedrec doctor`` finds: versions, processors, compiler, Flower's service, disk, extras."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from experiments.housekeeping import packages
from experiments.housekeeping.processes import flower_services
from experiments.housekeeping.sizes import bytes_in, shown_bytes
from fedrec.files.home import home
from fedrec.files.machine import cores, memory_gib
from fedrec.version import __version__

LEAST_FREE = 2 << 30  # bytes: a run of MovieLens-1M with its checkpoints, and Ray's files
Facts = dict[str, str]


def versions() -> Facts:
    """Fedrec, Python and the packages that matter most."""
    found = {name: packages.version_of(name) or "not installed" for name in packages.SHOWN}
    return {
        "fedrec": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
    } | found


def machine() -> Facts:
    """Cores, memory, GPU, compiler, system."""
    memory = memory_gib()
    return {
        "system": platform.platform(),
        "cores": f"{cores()} usable of {os.cpu_count()}",
        "memory": "unknown" if memory is None else f"{memory:.1f} GiB",
        "GPU": _gpu(),
        "compiler": _compiler(),
    }


def _gpu() -> str:
    import torch

    if torch.cuda.is_available():
        found = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
        return ", ".join(f"{one.name}, {one.total_memory / 2**30:.0f} GiB" for one in found)
    if torch.version.cuda is None:
        return f"none that torch {torch.__version__} can use (a build for the CPU)"
    return "none found"


def _compiler() -> str:
    from fedrec.native.library import compiler

    if (program := compiler()) is None:
        return "none (g++ or clang++): torch computes instead of the compiled kernels"
    built = len([*(home() / "native").glob("*.so")])
    return f"{program}, {'kernels compiled' if built else 'kernels are compiled when first used'}"


def disk() -> Facts:
    """Folders below FEDREC_HOME with their sizes, and free space."""
    found = {"FEDREC_HOME": str(home())}
    if home().is_dir():
        for folder in sorted(one for one in home().iterdir() if one.is_dir()):
            found[folder.name] = shown_bytes(bytes_in(folder))
    return found | {"free": f"{shown_bytes(_free())} there"}


def _free() -> int:
    return shutil.disk_usage(_nearest_folder(home())).free


def extras() -> Facts:
    """Each extra, and what it lacks."""
    return {
        name: f"not there: pip install {' '.join(missing)}" if missing else "there"
        for name, missing in packages.extras(packages.requirements()).items()
    }


def problems() -> Iterator[str]:
    """A line with its remedy for each thing that would stop a run or mislead one."""
    yield from packages.misfits(packages.requirements())
    yield from (f"a Flower service is left: {line}" for line in flower_services())
    place = _nearest_folder(home())
    if not os.access(place, os.W_OK):
        yield f"{place} cannot be written: set FEDREC_HOME to another folder"
    if _free() < LEAST_FREE:
        yield (
            f"{shown_bytes(_free())} are free for FEDREC_HOME ({home()}): free space there "
            "(`fedrec clean`), or set FEDREC_HOME to another disk"
        )


def _nearest_folder(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())
