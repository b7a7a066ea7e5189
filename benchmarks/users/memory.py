"""Memory of a whole federation by the real command: 6,040 users, rounds of 1,000 of them."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.users.compare import environment, say
from benchmarks.users.rounds import SASREC
from benchmarks.users.table import markdown
from benchmarks.users.watch import Peak

BOUND = 2048.0  # MiB
ROUNDS = 3
RUNS = {
    # Length 200 reads nearly all of every history.
    "SASRec, 3 local steps": ([], {**SASREC, "model.max-length": 200}),
    "preset ml-1m-users": (["ml-1m-users"], {}),
}


def table(source: str, format: str, clients: int) -> dict[str, Any]:
    """Run the commands, print their peaks of memory in use."""
    rows = [measured(name, source, format, clients) for name in RUNS]
    print(markdown(rows))
    return {"rows": rows}


def measured(name: str, source: str, format: str, clients: int) -> dict[str, Any]:
    """One run: a few rounds, evaluated before the first and after the last, on test items, too."""
    preset, changes = RUNS[name]
    sets = {
        **changes,
        "data.source": source,
        "data.format": format,
        "partition.count": 1,
        "federation.cohort": clients,
        "federation.rounds": ROUNDS,
        "federation.evaluate-every": ROUNDS,
    }
    words = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    command = ["run", *preset, "--engine", "inline", *words]
    say("fedrec " + " ".join(command))
    with tempfile.TemporaryDirectory(prefix="fedrec-memory-") as scratch:
        start = time.monotonic()
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "experiments.cli.main",
                *command,
                "--out",
                str(Path(scratch) / "run"),
            ],
            env=environment(OMP_NUM_THREADS="1"),
            stdout=subprocess.DEVNULL,
        )
        with Peak(process.pid) as peak:
            while process.poll() is None:
                time.sleep(0.2)
                peak.look()
    if process.returncode:
        raise SystemExit(f"fedrec run ended with {process.returncode}")
    return {
        "run": name,
        "users": 6040,
        "clients a round": clients,
        "rounds": ROUNDS,
        "seconds in all": time.monotonic() - start,
        "peak MiB": peak.mib,
        "target": f"<= {BOUND:,.0f} MiB",
        "met": "yes" if peak.mib <= BOUND else "no",
    }
