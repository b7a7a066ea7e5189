"""Ranks of held-out items over the full catalogue: how many users are evaluated in a second.

``python -m benchmarks.evaluation --out FILE.json`` ranks users with histories as long as those of
MovieLens-1M (median 96 items, mean 166, 20 at least) among its 3,416 items, by the hybrid of the
default config with random weights, through the code that a client runs. Ways take turns in one
process and one thread; each number is a median of processor time.

"all states" asks the last block for the states of every position, "last states" for the one that
is scored; "torch" and "native" are values of ``local.kernel``.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from benchmarks.inference import built
from benchmarks.users.about import facts_of_machine, load
from benchmarks.users.table import markdown
from fedrec.data.sequences import Sequences
from fedrec.evaluation.leave_one_out import leave_one_out_ranks
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.models import recommender
from fedrec.native.library import why_not
from fedrec.randomness import generator

NUM_ITEMS, LONGEST = 3_416, 200
WAYS = [(kernel, states) for kernel in ("torch", "native") for states in ("all", "last")]


def histories(num_users: int) -> Sequences:
    """Sequences of users, the length of each log-normal as in MovieLens-1M."""
    stream = generator(0, "evaluation", num_users)
    lengths = np.clip(stream.lognormal(4.6, 0.95, num_users).astype(np.int64), 20, 2_314)
    items = stream.integers(1, NUM_ITEMS + 1, lengths.sum()).astype(np.int32)
    return Sequences(items, np.concatenate([[0], np.cumsum(lengths)]), None)


@contextmanager
def states_asked(states: str) -> Iterator[None]:
    """Ask encoders for all states, or for the last ones."""
    if states == "last":
        yield
    else:
        with mock.patch.object(recommender, "gives_last", return_value=False):
            yield


def measure(num_users: int, turns: int) -> list[dict[str, Any]]:
    """One row a way, ranks compared with those of torch and all states."""
    torch.set_num_threads(1)
    model, sequences = built(NUM_ITEMS, "cpu").model, histories(num_users)
    ways = [way for way in WAYS if way[0] == "torch" or not why_not()]
    seconds: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
    ranks = {}
    for turn in range(turns + 1):  # the first one warms up
        for way in ways:
            model.encoder.uses_kernel = way[0] == "native"
            start = time.process_time()
            with states_asked(way[1]):
                ranks[way] = leave_one_out_ranks(
                    model_scorer(model, NUM_ITEMS, LONGEST),
                    sequences,
                    np.arange(num_users),
                    stage="validation",
                    protocols=["full"],
                    num_items=NUM_ITEMS,
                    counts=None,
                    seed=0,
                ).ranks["full"]
            seconds[way] += [time.process_time() - start] if turn else []
    first = statistics.median(seconds[ways[0]])
    return [
        {
            "kernel": kernel,
            "states": states,
            "ms a user": 1e3 * (median := statistics.median(taken)) / num_users,
            "users/s": num_users / median,
            "times as fast": first / median,
            "equal ranks": float(np.mean(ranks[kernel, states] == ranks[ways[0]])),
        }
        for (kernel, states), taken in seconds.items()
    ]


def main() -> None:
    """A table and, with --out, all of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=512, help="users")
    parser.add_argument("--turns", type=int, default=5, help="turns of each way")
    parser.add_argument("--out", type=Path, help="keep all rows as JSON")
    given = parser.parse_args()
    about = facts_of_machine("benchmarks.evaluation") | {"load before": load()}
    rows = measure(given.users, given.turns)
    about |= {"load after": load()}
    if given.out:
        text = json.dumps({"about": about, "rows": rows}, indent=1)
        given.out.write_text(text + "\n", encoding="utf-8")
    print(markdown(rows))


if __name__ == "__main__":
    main()
