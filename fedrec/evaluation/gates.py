"""Mean gate weights of the views, by position in the sequence and by popularity of the item.

Clients add up the weights that their model gives to the views of the items it reads. What leaves
them are sums over buckets, nothing of a single user: how many positions fall into each bucket, and
the sum of each view's weights there. A bucket is a doubling: 0, 1, 2-3, 4-7, 8-15.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedrec.data.splits import Stage

POPULARITY = "item popularity"
KINDS = ("position", "history length", POPULARITY)
CATALOGUE = "item popularity, whole catalogue"
BUCKETS = 32  # bits of the largest number that is counted, and one bucket for 0

Sums = NDArray[np.float64]  # (3, 32, 1 + N): kinds, buckets, positions and views


def are_told(stage: Stage, num_views: int) -> bool:
    """Whether clients send the sums: at the end of a run, where there is more than one view."""
    return stage == "test" and num_views > 1


def no_gates() -> Sums:
    """The sums of a scorer without views."""
    return np.zeros((len(KINDS), BUCKETS, 1))


def without_popularity(sums: Sums) -> Sums:
    """The sums with nothing by item popularity, which tells how often an item was read."""
    kept = sums.copy()
    kept[KINDS.index(POPULARITY)] = 0
    return kept


def gate_sums(
    weights: NDArray[np.floating],
    *,
    frequency: NDArray[np.floating],
    lengths: NDArray[np.integer],
    histories: NDArray[np.integer],
) -> Sums:
    """Add up the gate weights of all positions that a model read.

    Args:
        weights: (B, L, N) Weights of the views, whatever at padding.
        frequency: (B, L) Training events of the item at each position.
        lengths: (B,) Positions that were read; the rest is padding.
        histories: (B,) Events of the whole history, of which the newest were read.

    Returns:
        (3, 32, 1 + N) for each of ``KINDS`` and each bucket how many positions there were and the
        sums of their weights. Positions are counted from 1, the oldest that was read.
    """
    positions = np.arange(1, weights.shape[1] + 1)
    read = positions <= lengths[:, None]
    numbers = np.stack(
        np.broadcast_arrays(positions, histories[:, None], frequency.astype(np.int64))
    )
    columns = [np.ones(int(read.sum())), *weights[read].T]
    return np.array(
        [
            [np.bincount(found, column, BUCKETS) for column in columns]
            for found in bucket_of(numbers[:, read])
        ]
    ).swapaxes(1, 2)


def bucket_of(numbers: NDArray[np.integer]) -> NDArray[np.int64]:
    """Bucket of each number of 0 or more: how many bits it has, 31 at most."""
    return np.minimum(np.frexp(numbers.astype(np.float64))[1], BUCKETS - 1).astype(np.int64)


def label_of(bucket: int) -> str:
    """The numbers of a bucket in words: "8-15"; only training events of an item may be 0."""
    if bucket == 0:
        return "never seen"
    low, high = 2 ** (bucket - 1), 2**bucket - 1
    return str(low) if low == high else f"{low:,}-{high:,}"


def gate_table(
    sums: Sums, views: tuple[str, ...], *, counts_are_known: bool, alone: Sums | None = None
) -> dict[str, Any]:
    """Mean weights of the views by bucket, as metrics.json stores them.

    Args:
        sums: Sums of all clients.
        views: Names of the N views.
        counts_are_known: Whether the clients share training counts of items.
        alone: (32, 1 + N) Sums over the items of the catalogue, each by itself, or none.

    Returns:
        {"views": [...], kind: [{"slice": label, "positions": n, "weights": [N means]}, ...], ...},
        of the catalogue with "items" for "positions"; empty buckets are left out.
    """
    table: dict[str, Any] = {"views": list(views)}
    for kind, found in zip(KINDS, sums, strict=True):
        if kind != POPULARITY or counts_are_known:
            table[kind] = _rows(found, "positions")
    if alone is not None and counts_are_known:
        table[CATALOGUE] = _rows(alone, "items")
    return table


def _rows(sums: Sums, counted: str) -> list[dict[str, Any]]:
    return [
        {
            "slice": label_of(int(bucket)),
            counted: int(sums[bucket, 0]),
            "weights": (sums[bucket, 1:] / sums[bucket, 0]).tolist(),
        }
        for bucket in np.flatnonzero(sums[:, 0])
    ]
