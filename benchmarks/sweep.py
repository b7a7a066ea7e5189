"""What a sweep costs beside its runs: wall time of 12 short runs, one by one and two at a time.

``python -m benchmarks.sweep --out FILE.json`` makes 12 runs (four learning rates x three seeds) as
one ``fedrec sweep --jobs N`` on Ray, whose start, checks and comparison are in its time, and as
commands ``fedrec run``, one after the other. Half of these come before the sweep and half after it,
so that other work on the machine falls on both; ``--singles`` makes fewer of them, and their sum is
then their mean times 12, for the runs are equally long. The ratio is the time of the sweep, times
N, over that sum: 1 is N runs at a time at no further cost. Data are prepared before.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.users.about import facts_of_machine, load

RATES = ("0.001", "0.002", "0.005", "0.01")
SEEDS = 3
SETTINGS = {
    "data.source": "synthetic:users=600,items=200",
    "semantics.encoder": "hashed",
    "evaluation.resamples": "200",
    "loss.negatives": "128",
}


def fedrec(home: Path, *words: str) -> float:
    """Seconds of one command."""
    environment = os.environ | {"FEDREC_HOME": str(home), "OMP_NUM_THREADS": "1"}
    start = time.monotonic()
    command = [sys.executable, "-m", "experiments.cli", *words]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--singles", type=int, default=len(RATES) * SEEDS)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sets = SETTINGS | {"federation.rounds": str(options.rounds)}
    words = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    every = [(rate, seed) for seed in range(SEEDS) for rate in RATES]
    alone = every[:: len(every) // options.singles][: options.singles]
    with tempfile.TemporaryDirectory(prefix="sweep-") as scratch:
        home = Path(scratch) / "home"

        def single(rate: str, seed: int) -> float:
            folder = str(Path(scratch) / f"{rate}-{seed}")
            more = ["--set", f"local.learning-rate={rate}", "--seed", str(seed), "--out", folder]
            return fedrec(home, "run", "synthetic", "--engine", "inline", "--quiet", *words, *more)

        def swept(*more: str) -> float:
            grid = ["--grid", f"local.learning-rate={','.join(RATES)}", "--seeds", str(SEEDS)]
            place = ["--jobs", str(options.jobs), "--out", str(Path(scratch) / "sweep")]
            return fedrec(home, "sweep", "synthetic", *grid, *words, *place, *more)

        swept("--dry-run")
        loads = [load()]
        seconds = [single(*one) for one in alone[::2]]
        at_once = swept()
        seconds += [single(*one) for one in alone[1::2]]
        loads.append(load())
    total = sum(seconds) / len(seconds) * len(every)
    found = {
        "runs": len(every),
        "jobs": options.jobs,
        "rounds": options.rounds,
        "single_seconds": seconds,
        "sum_of_runs": total,
        "sweep_seconds": at_once,
        "ratio": at_once * options.jobs / total,
        "load": loads,
        "machine": facts_of_machine("benchmarks.sweep"),
    }
    print(f"{len(every)} runs, a command each: {total:.1f} s ({len(seconds)} of them measured)")
    print(f"{len(every)} runs, fedrec sweep --jobs {options.jobs}: {at_once:.1f} s")
    print(f"times {options.jobs} over the sum of the runs: {found['ratio']:.2f}")
    print(f"load of the machine before and after: {loads}")
    if options.out:
        options.out.write_text(json.dumps(found, indent=2, default=str) + "\n")


if __name__ == "__main__":
    main()
