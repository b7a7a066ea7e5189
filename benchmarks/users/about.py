"""What a published number must come with: the command, the commit, the machine, the versions."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any


def facts_of_machine(program: str) -> dict[str, Any]:
    """Where and with what a program, such as "benchmarks.users", runs."""
    return {
        "command": " ".join([f"python -m {program}", *sys.argv[1:]]),
        "commit": commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "processor": processor(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "flwr", "ray")},
    }


def commit() -> str:
    """The commit of this checkout, and whether it was changed since; empty outside of one."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip()


def processor() -> str:
    """Its name, as the kernel has it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine_facts()


def load() -> float:
    """Processes that wanted to run, over the last minute: more than the cores make times long."""
    return os.getloadavg()[0]
