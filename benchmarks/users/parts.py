"""Where the cohort engine's CPU time goes: seconds of each part, beside a centralised pass.

Both take turns in this process, on one thread. Parts are timed from outside, by wrapping what
the engine calls, so that the engine itself holds no clock.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.users.systems.list import centralised, engine
from benchmarks.users.table import markdown
from benchmarks.users.work import Facts, Work
from fedrec.training.cohort import local_steps, train

Clock = defaultdict[str, float]  # part -> CPU seconds

# Who holds the name that is called, the name, what the table calls it.
PARTS: tuple[tuple[Any, str, str], ...] = (
    (train, "windows_of", "cut windows"),
    (train, "groups_by_length", "group users"),
    (train, "user_steps", "draw"),
    (train, "rows_read", "list rows"),
    (train, "gathered_rows", "place rows"),
    (train, "group_step", "lay out"),
    (train, "redrawn", "lay out"),
    (train, "copy_weights", "copy rows"),
    (torch.autograd, "grad", "backward"),
    (local_steps, "_descend", "SGD step"),
    (train.CohortSum, "add_own", "sum updates"),
)


def table(facts: Facts, batch_size: int, turns: int) -> dict[str, Any]:
    """CPU microseconds a token, medians over turns, and the same over the centralised pass."""
    torch.set_num_threads(1)
    work = Work(facts)
    taken: list[Clock] = []
    for turn in range(turns + 1):  # the first one warms up
        users, clock = work.users(turn), Clock(float)
        with timed(clock):
            _timed(engine, clock, "engine")(work, users, turn, 0)
        _timed(centralised, clock, "centralised")(work, users, turn, batch_size)
        clock["forward, the rest"] = clock["engine"] - sum(
            clock[name] for name in {name for *_, name in PARTS}
        )
        for name in clock:
            clock[name] *= 1e6 / work.tokens(turn)
        if turn:
            taken.append(clock)
    rows = [
        {
            "part": name,
            "CPU us/token": statistics.median(one[name] for one in taken),
            "over centralised": statistics.median(one[name] / one["centralised"] for one in taken),
        }
        for name in taken[0]
    ]
    print(markdown(rows))
    return {"rows": rows, "turns": [dict(one) for one in taken]}


def _timed(run: Callable[..., Any], clock: Clock, name: str) -> Callable[..., Any]:
    def one(*args: Any, **keys: Any) -> Any:
        start = time.process_time()
        try:
            return run(*args, **keys)
        finally:
            clock[name] += time.process_time() - start

    return one


@contextmanager
def timed(clock: Clock) -> Iterator[None]:
    """Add up the CPU time of the engine's parts while a block runs."""
    patches = [
        patch.object(holder, called, _timed(getattr(holder, called), clock, name))
        for holder, called, name in PARTS
    ]
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in patches:
            one.stop()
