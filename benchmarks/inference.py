"""Top-10 over catalogues of 3.4k to 1M items: how long one user waits, and how many are served.

``python -m benchmarks.inference --out FILE.json`` prints one table for CPU (one thread, then all)
and, where there is one, for a GPU. Nothing is trained: the hybrid of the default config (width 64,
identity rows, 128 semantic components, 20 content features) with random weights goes through the
code that ``fedrec recommend`` runs, transformer and exclusion of the history included. Beside it
stand two plain ways to the same list from the same states: all scores at once and numpy's
argpartition, or torch.topk. Turns take place in a fixed order over all rows, so that other work on
the machine falls on all of them; each number is a median (p50) or 99th percentile over all calls,
"-" where there were fewer than a hundred. "CPU" is the median of processor time, which other work
moves less than the clock. Peak RSS is all that the process held at once until fedrec's first
answer: torch, the model as it is made, and the catalogue folded twice, once for the folding's time.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.users.about import facts_of_machine, load
from benchmarks.users.table import markdown
from fedrec.config.sections.model import Model
from fedrec.factory.build_model import build_model
from fedrec.inference.search import ItemSearch
from fedrec.randomness import generator

SIZES = (3_416, 100_000, 1_000_000)  # the first is MovieLens-1M's
BATCHES = (1, 32, 256)
LENGTHS = (50, 200)
SEMANTIC, CONTENT, K = 128, 20, 10
TARGETS = {100_000: 5.0, 1_000_000: 60.0}  # milliseconds, one user, one thread, p50
PLAIN_BYTES = 512 << 20  # the plain ways are left out where their scores take more
LEAST_CALLS, CALLS_FOR_P99 = 3, 100
Call = Callable[[list[np.ndarray]], Any]


def built(num_items: int, device: str) -> ItemSearch:
    """The hybrid with random weights over random vectors, its catalogue folded."""
    stream = generator(0, "inference", num_items)
    semantic = stream.standard_normal((num_items + 1, SEMANTIC), dtype=np.float32) / SEMANTIC**0.5
    content = (stream.random((num_items + 1, CONTENT), dtype=np.float32) < 0.1).astype(np.float32)
    semantic[0] = content[0] = 0
    model = build_model(
        Model(identity_start="random"),
        num_items=num_items,
        semantic=semantic,
        content=content,
        frequency=stream.zipf(1.3, num_items + 1).clip(max=10_000),
        seed=0,
    )
    return ItemSearch(model.to(device), num_items, max(LENGTHS))


def ways(search: ItemSearch) -> dict[str, Call]:
    """fedrec's and the plain ways to the ten best items."""

    @torch.inference_mode()
    def all_scores(histories: list[np.ndarray]) -> torch.Tensor:
        scores = search._states(histories)[0] @ search.vectors.T
        scores[:, 0] = -torch.inf
        for row, history in enumerate(histories):
            scores[row, torch.from_numpy(history).to(scores.device)] = -torch.inf
        return scores

    def numpy_way(histories: list[np.ndarray]) -> np.ndarray:
        scores = all_scores(histories).cpu().numpy()
        best = np.argpartition(scores, -K, axis=1)[:, -K:]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        return np.take_along_axis(best, order, axis=1)

    return {
        "fedrec": lambda histories: search.top(histories, K).items,
        "all scores, torch.topk": lambda histories: (
            all_scores(histories).topk(K, dim=1).indices.cpu().numpy()
        ),
        "all scores, argpartition": numpy_way,
    }


def timed(call: Call, batches: list[list[np.ndarray]]) -> list[tuple[float, float]]:
    """Seconds of each call: on the clock, and of the CPU, which other work moves less."""
    seconds = []
    for histories in batches:
        start, cpu = time.perf_counter(), time.process_time()
        call(histories)
        seconds.append((time.perf_counter() - start, time.process_time() - cpu))
    return seconds


def measure(
    num_items: int, device: str, threads: int, batches: list[int], seconds: float
) -> list[dict[str, Any]]:
    """All rows of one catalogue, in this process: its peak of memory is theirs."""
    torch.set_num_threads(threads)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    search = built(num_items, device)
    fold = timed(lambda _: ItemSearch(search.model, num_items, max(LENGTHS)), [[]] * 3)
    held = search.bytes_held
    rows = []
    for length in LENGTHS:
        for batch in batches:
            stream = generator(0, "histories", num_items, length, batch)
            draw = [
                [stream.integers(1, num_items + 1, length) for _ in range(batch)]
                for _ in range(8 if batch == 1 else 1)
            ]
            calls = ways(search)
            if 4 * batch * num_items > PLAIN_BYTES:
                calls = {"fedrec": calls["fedrec"]}
            found, peaks = {}, {}
            for name, call in calls.items():  # also warms up; fedrec first, so that its peak is its
                found[name] = call(draw[0])
                peaks[name] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            for name, items in found.items():
                same = np.mean(items == list(found.values())[-1])
                if same < 0.99:  # float32 sums in another order may swap neighbours
                    raise SystemExit(f"{name} finds other items: {same:.3f} are the same")
            taken: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
            end = time.perf_counter() + seconds
            while time.perf_counter() < end or len(taken["fedrec"]) < LEAST_CALLS:
                for name, call in calls.items():
                    taken[name] += timed(call, draw)
            for name, each in taken.items():
                clock, cpu = (np.array(part) * 1e3 for part in zip(*each, strict=True))
                mine = name == "fedrec"
                scores = held["scores"] if mine else 4 * batch * num_items
                rows.append(
                    {
                        "items": num_items,
                        "device": device if device != "cpu" else f"CPU, {threads} threads",
                        "history": length,
                        "users": batch,
                        "way": name,
                        "p50 ms": float(np.percentile(clock, 50)),
                        "p99 ms": float(np.percentile(clock, 99))
                        if len(clock) >= CALLS_FOR_P99
                        else None,
                        "CPU ms": float(np.median(cpu)),
                        "users/s": batch / float(np.median(clock)) * 1e3,
                        "calls": len(clock),
                        "folding s": statistics.median(seconds for seconds, _ in fold),
                        "vectors MiB": held["vectors"] / 2**20,
                        "model MiB": held["model"] / 2**20,
                        "scores MiB": scores / 2**20,
                        "peak RSS MiB": peaks[name] if mine else None,
                        "RSS before MiB": before,
                    }
                )
    return rows


def main() -> None:
    """One process a catalogue and number of threads; a table and, with --out, all of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="items")
    parser.add_argument("--users", type=int, nargs="+", default=list(BATCHES), help="at once")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each case, at least")
    parser.add_argument("--out", type=Path, help="keep all rows as JSON")
    parser.add_argument("--one", nargs=3, metavar=("ITEMS", "DEVICE", "THREADS"), help="internal")
    given = parser.parse_args()
    if given.one:
        items, device, threads = given.one
        rows = measure(int(items), device, int(threads), given.users, given.seconds)
        print(json.dumps(rows))
        return
    places = [("cpu", 1)]
    if (cores := len(os.sched_getaffinity(0))) > 1:
        places.append(("cpu", cores))
    if torch.cuda.is_available():
        places.append(("cuda", 1))
    about = facts_of_machine("benchmarks.inference") | {"load before": load()}
    rows = []
    for size in given.sizes:
        for device, threads in places:
            words = ["--one", str(size), device, str(threads), "--seconds", str(given.seconds)]
            words += ["--users", *map(str, given.users)]
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.inference", *words],
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            rows += json.loads(done.stdout)
            print(f"{size:,} items on {device}, {threads} threads: done", file=sys.stderr)
    about |= {"load after": load()}
    if given.out:
        text = json.dumps({"about": about, "rows": rows}, indent=1)
        given.out.write_text(text + "\n", encoding="utf-8")
    print(markdown([{key: row[key] for key in list(row)[:10]} for row in rows]))
    print()
    # Of the first case: what came after it may have raised the peak.
    first = {(row["items"], row["device"]): row for row in reversed(rows) if row["way"] == "fedrec"}
    held = ("items", "device", "folding s", "vectors MiB", "model MiB", "scores MiB")
    held += ("RSS before MiB", "peak RSS MiB")
    print(markdown([{key: row[key] for key in held} for row in reversed(first.values())]))
    if met := targets_met(rows):
        print()
        print(markdown(met))


def targets_met(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One user's p50 on one thread beside its target."""
    return [
        {
            "items": row["items"],
            "history": row["history"],
            "p50 ms": row["p50 ms"],
            "target": f"< {TARGETS[row['items']]:g} ms",
            "met": "yes" if row["p50 ms"] < TARGETS[row["items"]] else "no",
        }
        for row in rows
        if row["items"] in TARGETS
        and (row["device"], row["users"], row["way"]) == ("CPU, 1 threads", 1, "fedrec")
    ]


if __name__ == "__main__":
    main()
