"""Times of events in seconds, aligned with the items that a model reads."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedrec.data.interactions import LATEST_SECONDS


def times_around(times: NDArray[np.int64], start: int, length: int) -> NDArray[np.int64]:
    """Times (length + 2,) of consecutive events, of the one before them and the one after.

    Where none comes before, the first event stands for it: the gap is 0.

    Args:
        times: (n,) Times of the user's events, in seconds or milliseconds.
        start: Place of the first.
        length: How many; there is at least one behind them.
    """
    found = np.asarray(times[max(0, start - 1) : start + length + 1])
    if start == 0:
        found = np.concatenate([found[:1], found])
    return np.where(found < LATEST_SECONDS, found, found // 1000)


def pad_times(rows: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Rows of ``times_around`` as (B, L + 2), each padded on the right with its last time."""
    longest = max(len(row) for row in rows)
    return np.stack([np.pad(row, (0, longest - len(row)), mode="edge") for row in rows])
