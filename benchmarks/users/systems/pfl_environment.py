"""An environment of its own for pfl, which wants other versions of numpy and attrs than we do."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path


class UnavailableError(Exception):
    """pfl cannot be had; says why."""


def python_with_pfl(given: str, folder: Path) -> str:
    """The Python that has pfl.

    Args:
        given: A Python that has it; "install" for a fresh environment in ``folder``, where torch
            comes from this environment, so that both compute with the same kernels.
        folder: Folder of the fresh environment.

    Raises:
        UnavailableError: It cannot be imported or installed.
    """
    python = Path(given)
    if given == "install":
        python = folder / "bin" / "python"
        venv.create(folder, with_pip=True)
        _run([str(python), "-m", "pip", "install", "--quiet", "pfl"])
        scheme = {"base": str(folder), "platbase": str(folder)}
        own = Path(sysconfig.get_path("purelib", vars=scheme))
        (own / "parent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    _run([str(python), "-c", "import pfl.model.pytorch"])
    return str(python)


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{Path(command[0]).name}: {error}") from None
    if done.returncode:
        words = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in words if line.startswith("ERROR")] or words[-1:]
        raise UnavailableError((errors or ["no reason given"])[-1][:200])


if __name__ == "__main__":
    print(python_with_pfl("install", Path(sys.argv[1])))
