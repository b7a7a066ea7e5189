"""What a sweep costs beside its runs: wall time of 12 short runs, one by one and two at a time.

``python -m benchmarks.sweep --out FILE.json`` makes the same 12 runs (four learning rates x three
seeds) in three ways, each in a folder of its own: as 12 commands ``fedrec run``, one after the
other; as one ``fedrec sweep --jobs 1``, in one process; and as ``fedrec sweep --jobs N`` on Ray,
whose start, checks and comparison are in its time. Half of the single runs come before the sweeps
and half after them, so that other work on the machine falls on all. A ratio is the time of the
sweep on Ray, times N, over the sum of the single runs: 1 is N runs at a time at no further cost.
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
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sets = SETTINGS | {"federation.rounds": str(options.rounds)}
    words = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    with tempfile.TemporaryDirectory(prefix="sweep-") as scratch:
        home = Path(scratch) / "home"
        every = [(rate, seed) for seed in range(SEEDS) for rate in RATES]

        def single(rate: str, seed: int, place: str = "single") -> float:
            folder = str(Path(scratch) / place / f"{rate}-{seed}")
            more = ["--set", f"local.learning-rate={rate}", "--seed", str(seed), "--out", folder]
            return fedrec(home, "run", "synthetic", "--engine", "inline", "--quiet", *words, *more)

        def swept(jobs: int) -> float:
            grid = ["--grid", f"local.learning-rate={','.join(RATES)}", "--seeds", str(SEEDS)]
            more = ["--jobs", str(jobs), "--out", str(Path(scratch) / f"jobs-{jobs}")]
            return fedrec(home, "sweep", "synthetic", *grid, *words, *more)

        for seed in range(SEEDS):
            single(RATES[0], seed, "warm")  # data and embeddings are prepared once
        loads = [load()]
        seconds = [single(*one) for one in every[::2]]
        at_once = swept(options.jobs)
        in_one = swept(1)
        seconds += [single(*one) for one in every[1::2]]
        loads.append(load())
    found = {
        "runs": len(every),
        "jobs": options.jobs,
        "rounds": options.rounds,
        "single_seconds": seconds,
        "sweep_seconds": at_once,
        "one_process_seconds": in_one,
        "ratio_to_single_runs": at_once * options.jobs / sum(seconds),
        "ratio_to_one_process": at_once * options.jobs / in_one,
        "load": loads,
        "machine": facts_of_machine("benchmarks.sweep"),
    }
    print(f"12 runs, one command each:          {sum(seconds):7.1f} s")
    print(f"12 runs, fedrec sweep --jobs 1:     {in_one:7.1f} s")
    print(f"12 runs, fedrec sweep --jobs {options.jobs}:     {at_once:7.1f} s")
    print(f"times {options.jobs} over the single runs:       {found['ratio_to_single_runs']:7.2f}")
    print(f"times {options.jobs} over one process:           {found['ratio_to_one_process']:7.2f}")
    print(f"load of the machine before and after: {loads}")
    if options.out:
        options.out.write_text(json.dumps(found, indent=2, default=str) + "\n")


if __name__ == "__main__":
    main()
