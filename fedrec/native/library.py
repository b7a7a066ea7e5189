"""The compiled kernels: built once per machine into ``$FEDREC_HOME/native``, called by ctypes.

There is no build step: where a compiler is missing or refuses, torch computes instead.
"""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from fedrec.errors import FedrecError
from fedrec.files.atomic import lock, new_file, sha256
from fedrec.files.home import home

# Of the sources, so that who has this file computes the same: see ``hash_of``.
SOURCES_SHA256 = "377aeb8df268c8a8c21edc3e6309f1a385afd490ddd0cbb56226f95bcccb81c8"
FLAGS = (
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-shared",
    "-pthread",
    "-ffp-contract=fast",  # one rounding of a * b + c; no other sum is reordered
    "-fno-math-errno",
    "-fno-trapping-math",
)
COMPILER = "CXX"  # variable that names another compiler
SECONDS = 300  # that a compiler may take


class CompileError(FedrecError):
    """The kernels cannot be compiled here."""


def compiler() -> str | None:
    """Path of the C++ compiler: ``$CXX``, g++ or clang++; none if there is none."""
    named = os.environ.get(COMPILER)
    for name in [named] if named else ["g++", "clang++"]:
        if found := shutil.which(name):
            return found
    return None


def _machine_flags() -> tuple[str, ...]:
    return ("-march=native",) if platform.machine() in ("x86_64", "AMD64") else ("-mcpu=native",)


def _cpu_flags() -> str:
    """What the processor can do, as the system tells it: a shared home may serve several kinds."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _output(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompileError(f"{command[0]}: {error}") from None


@lru_cache(maxsize=1)
def sources() -> Path:
    """Folder of the sources.

    Flower's bundle takes no C++ along; the package that is installed beside it has them.

    Raises:
        CompileError: There are none, or others.
    """
    roots = [Path(__file__).parent, *(Path(entry, "fedrec", "native") for entry in sys.path)]
    for folder in (root / "source" for root in roots):
        if folder.is_dir():
            if hash_of(folder) != SOURCES_SHA256:
                raise CompileError(f"{folder} holds the kernels of another version of fedrec")
            return folder
    raise CompileError("the sources of the kernels are not here; install fedrec")


def hash_of(folder: Path) -> str:
    """Sha256 of the names and texts of the sources in a folder."""
    texts = [
        f"{path.name}\0{path.read_text(encoding='utf-8')}\0"
        for path in sorted(folder.iterdir())
        if path.suffix in (".cpp", ".h")
    ]
    return sha256("".join(texts).encode())


@lru_cache(maxsize=1)
def key() -> str:
    """Sha256 of all that the compiled bytes depend on: sources, compiler, flags, processor.

    Raises:
        CompileError: There is no compiler.
    """
    program = compiler()
    if program is None:
        raise CompileError(f"no C++ compiler is here (g++ or clang++; ${COMPILER} names another)")
    version = _output([program, "--version"]).stdout.partition("\n")[0]
    parts = [version, *FLAGS, *_machine_flags(), _cpu_flags(), hash_of(sources())]
    return sha256("\0".join(parts).encode())


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """The kernels, compiled if they are not there yet.

    Raises:
        CompileError: There is no compiler, or it refuses.
    """
    path = home() / "native" / f"{key()[:32]}.so"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            with lock(path.with_suffix(".lock")):
                if not path.exists():
                    _compile(path)
        found = ctypes.CDLL(str(path))
    except OSError as error:
        raise CompileError(f"{path}: {error}") from None
    return found


def _compile(path: Path) -> None:
    program = compiler()
    assert program is not None  # or there were no key
    print("compiling the kernels (seconds, once on this machine)", file=sys.stderr)
    files = [str(one) for one in sorted(sources().glob("*.cpp"))]
    draft = path.with_name(f"{path.stem}.{os.getpid()}.draft")
    try:
        done = _output([program, *FLAGS, *_machine_flags(), *files, "-o", str(draft)])
        if done.returncode:
            first = next(iter(done.stderr.strip().splitlines()), f"exit code {done.returncode}")
            raise CompileError(f"{program} cannot compile the kernels: {first}")
        with new_file(path, mode=0o755) as file:
            file.write(draft.read_bytes())
    finally:
        draft.unlink(missing_ok=True)


def pointer(array: Tensor | None) -> ctypes.c_void_p:
    """Where the numbers of a contiguous array lie; null for none."""
    return ctypes.c_void_p(None if array is None else array.data_ptr())


def threads() -> ctypes.c_long:
    """Threads that a kernel may take: as many as torch."""
    return ctypes.c_long(torch.get_num_threads())


@lru_cache(maxsize=1)
def why_not() -> str:
    """Why the kernels cannot be used here, in one line; empty if they can."""
    try:
        library()
    except CompileError as error:
        return str(error)
    return ""
