"""The Flower service that runs this process, to be named where it is in the way."""

import contextlib
import os
import shlex
from pathlib import Path

SIMULATION, SERVICE = "flwr-simulation", "flower-superlink"


def service_of_simulation(processes: Path = Path("/proc")) -> str:
    """Process and folder of the service whose simulation this process is, and how to stop it.

    Empty for a deployment, whose nodes have other processes, and where there is no ``/proc``.

    Args:
        processes: Folder of the processes.
    """
    process, is_simulation = os.getpid(), False
    with contextlib.suppress(OSError, ValueError, IndexError):
        while process > 1:
            entry = processes / str(process)
            words = (entry / "cmdline").read_bytes().split(b"\0")
            names = {os.path.basename(os.fsdecode(word)) for word in words[:2]}
            is_simulation = is_simulation or SIMULATION in names
            if SERVICE in names and is_simulation:
                folder = shlex.quote(str((entry / "cwd").readlink()))
                return f"{SERVICE}, process {process}, was started in {folder}: `kill {process}`"
            process = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return ""
