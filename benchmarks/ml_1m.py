"""MovieLens-1M: federated strategies beside the centralised model, at equal wall time.

``python benchmarks/ml_1m.py --source /abs/ml-1m.zip --out DIR`` runs, one after the other, the
centralised reference and a preset, ``ml-1m`` or ``ml-1m-hybrid``, with FedAvg, FedProx and
server-adam on Flower's simulation, and prints NDCG@10 and HR@10 against passes and seconds, with
the peak of memory in use. Runs that are already in DIR are not made again, so a stopped benchmark
goes on where it was. Everything is read from the run folders; ``ml-1m.json`` in DIR holds the
table.

Choices are made on validation; test items are looked at once, at each run's best round.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

# Server-adam takes one gradient a round: the clients' step of size 1 is the gradient itself.
SYNCHRONOUS = [
    "strategy.name=server-adam",
    "strategy.options=learning-rate = 0.002",
    "local.optimizer=sgd",
    "local.learning-rate=1.0",
    "local.optimizer-state=reset",
    "local.steps=1",
    "local.batch-size=8",
]
RUNS: dict[str, list[str]] = {
    "centralised": ["baseline", "centralised"],
    "fedavg": ["run", "--engine", "flower"],
    "fedprox": ["run", "--engine", "flower"],
    "server-adam": ["run", "--engine", "flower"],
}
CHANGES: dict[str, list[str]] = {
    "centralised": [],
    "fedavg": [],
    "fedprox": ["strategy.name=fedprox", "strategy.options=proximal-mu = 0.001"],
    "server-adam": SYNCHRONOUS,
}


def available() -> int:
    """Bytes of memory that the machine could still give."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no MemAvailable in /proc/meminfo")


def measured(command: list[str]) -> dict[str, float]:
    """Run a command; seconds and GiB of memory that it took from the machine at its peak."""
    before = lowest = available()
    is_over = threading.Event()

    def watch() -> None:
        nonlocal lowest
        while not is_over.wait(0.25):
            lowest = min(lowest, available())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.monotonic()
    try:
        subprocess.run(command, check=True)
    finally:
        is_over.set()
        watcher.join()
    return {"wall seconds": time.monotonic() - start, "peak GiB": (before - lowest) / 2**30}


def curve(folder: Path) -> list[dict[str, Any]]:
    """Every evaluation of a run: round, passes, seconds since the start, validation metrics."""
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    return [
        {
            "round": line["round"],
            "passes": line["passes"],
            "seconds": line["elapsed"],
            "HR@10": line["validation"]["HR@10"],
            "NDCG@10": line["validation"]["NDCG@10"],
        }
        for line in lines
        if line["validation"]
    ]


def best_until(points: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """The best evaluation that a run had made by then."""
    return max((p for p in points if p["seconds"] <= seconds), key=lambda p: p["NDCG@10"])


def main() -> None:
    """Make the runs that are missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True, help="absolute path of ml-1m.zip")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--preset", choices=["ml-1m", "ml-1m-hybrid"], default="ml-1m")
    parser.add_argument("--only", nargs="*", choices=list(RUNS), default=list(RUNS))
    parser.add_argument("--set", action="append", default=[], help="for all runs")
    given = parser.parse_args()
    out = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    fedrec = [sys.executable, "-c", "from experiments.cli.main import main; main()"]
    for name in given.only:
        folder = out / name
        if not (folder / "metrics.json").is_file():
            sets = [f"data.source={given.source}", *CHANGES[name], *given.set]
            words = [word for each in sets for word in ("--set", each)]
            command = [*fedrec, *RUNS[name], given.preset, *words, "--out", str(folder)]
            cost = measured(command)
            (folder / "cost.json").write_text(json.dumps(cost))
    report(out, [name for name in RUNS if (out / name / "metrics.json").is_file()])


def report(out: Path, names: list[str]) -> None:
    """Print what the run folders hold and keep it as JSON."""
    curves = {name: curve(out / name) for name in names}
    table: dict[str, Any] = {}
    for name in names:
        metrics = json.loads((out / name / "metrics.json").read_text())
        cost = json.loads((out / name / "cost.json").read_text())
        table[name] = {"curve": curves[name], "test": metrics["test"], **cost}
        table["popularity"] = {"test": metrics["baselines"]["popularity"]["test"]}
    ends = [points[-1]["seconds"] for points in curves.values()]
    print("validation NDCG@10 (HR@10), best so far, and passes over the data")
    print("seconds   " + "".join(f"{name:>26}" for name in names))
    for share in (0.125, 0.25, 0.5, 0.75, 1.0):
        seconds = share * min(ends)
        cells = [best_until(curves[name], seconds) for name in names]
        shown = [f"{c['NDCG@10']:.4f} ({c['HR@10']:.3f}) {c['passes']:5.1f} p" for c in cells]
        print(f"{seconds:7.0f}   " + "".join(f"{text:>26}" for text in shown))
    print("\ntest items, at the best round by validation")
    for name, row in table.items():
        ndcg, hr = row["test"]["NDCG@10"], row["test"]["HR@10"]
        line = f"{name:12} NDCG@10 {ndcg['value']:.4f} ({ndcg['low']:.4f} to {ndcg['high']:.4f})"
        line += f"  HR@10 {hr['value']:.4f}"
        if "curve" in row:
            last = row["curve"][-1]
            line += f"  {last['passes']:.1f} passes, {last['seconds']:.0f} s in rounds, "
            line += f"{row['wall seconds']:.0f} s in all, peak {row['peak GiB']:.2f} GiB"
        print(line)
    (out / "ml-1m.json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
