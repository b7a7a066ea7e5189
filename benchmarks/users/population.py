"""A round of 1,000 users out of 10,000, 100,000 and a million: it must not cost more.

The data is drawn here, many users at once, and stored as any prepared data is, so that it is
memory-mapped when a run opens it. The rounds are the server's own, on the inline engine.
"""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.users.rounds import SASREC, federation_of
from benchmarks.users.table import markdown
from benchmarks.users.watch import own_peak_mib
from fedrec.config.config import Config
from fedrec.config.keys import read_config
from fedrec.data.catalog import Catalog
from fedrec.data.interactions import Interactions
from fedrec.data.preparation.store import store
from fedrec.randomness import generator
from server.rounds import train_round

SIZES = (10_000, 100_000, 1_000_000)
NUM_ITEMS = 3000
SHORTEST, MEAN_EXTRA, LONGEST = 5, 15, 200  # events of a user


def table(sizes: Sequence[int], clients: int, rounds: int) -> dict[str, Any]:
    """Each population in a process of its own, so that its peak of memory is its own, too."""
    rows = []
    for size in sizes:
        home = tempfile.mkdtemp(prefix="fedrec-population-")
        try:
            with get_context("spawn").Pool(1) as alone:
                made = alone.apply(prepared, (size, home))
            with get_context("spawn").Pool(1) as alone:
                rows.append(made | alone.apply(measured, (made["folder"], clients, rounds)))
        finally:
            shutil.rmtree(home)
    for row in rows:
        del row["folder"]
        row["over smallest"] = row["seconds a round"] / rows[0]["seconds a round"]
    print(markdown(rows))
    return {"rows": rows}


def prepared(size: int, home: str) -> dict[str, Any]:
    """Draw a population and store it."""
    start = time.monotonic()
    folder = store(drawn(size), name=f"population-{size}", home=Path(home))
    return {"users": size, "folder": str(folder), "seconds to prepare": time.monotonic() - start}


def drawn(size: int) -> Interactions:
    """Users with histories of different lengths over items of which few are popular."""
    stream = generator(0, "population", size)
    lengths = SHORTEST + stream.exponential(MEAN_EXTRA, size).astype(np.int64)
    lengths = np.minimum(lengths, LONGEST)
    # Squaring a uniform draw makes low numbers popular: item v is drawn about 1/sqrt(v) often.
    items = (NUM_ITEMS * stream.random(int(lengths.sum())) ** 2).astype(np.int32)
    item_ids = [f"i{number}" for number in range(NUM_ITEMS)]
    nothing = [""] * NUM_ITEMS
    return Interactions(
        [f"u{number}" for number in range(size)],
        item_ids,
        np.repeat(np.arange(size, dtype=np.int32), lengths),
        items,
        None,
        None,
        Catalog(item_ids, nothing, [()] * NUM_ITEMS, [None] * NUM_ITEMS, nothing),
    )


def measured(folder: str, clients: int, rounds: int) -> dict[str, float]:
    """Seconds until the first round, seconds a round after one that warms up, peak of memory."""
    torch.set_num_threads(1)
    start = time.monotonic()
    federation, state = federation_of(config_of(folder, clients))
    begun = time.monotonic() - start
    lines = [train_round(federation, state, number) for number in range(1, rounds + 2)]
    totals = [line["seconds"]["total"] for line in lines[1:]]
    tokens = [line["targets"] * federation.config.local.steps for line in lines[1:]]
    return {
        "seconds to open": begun,
        "seconds a round": statistics.median(totals),
        "us/token": statistics.median(
            1e6 * total / token for total, token in zip(totals, tokens, strict=True)
        ),
        "check ms": 1000 * statistics.median(line["seconds"]["check"] for line in lines[1:]),
        "aggregate ms": 1000
        * statistics.median(line["seconds"]["aggregate"] for line in lines[1:]),
        "peak MiB": own_peak_mib(os.getpid()),
    }


def config_of(folder: str, clients: int) -> Config:
    """The work of the comparison on a prepared folder."""
    sizes = {"federation.cohort": clients, "partition.count": 2}
    return read_config({**SASREC, **sizes, "data.source": folder})
