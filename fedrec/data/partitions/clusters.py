"""Clusters of items in the place of genres: by their vectors, or by who has them.

All arithmetic that decides is on whole numbers in float64 or int64, which is exact in any order: a
partition does not depend on threads, on the library behind a product of matrices or on the machine.
"""

import numpy as np
from numpy.typing import NDArray

from fedrec.data.sequences import Sequences

Whole = NDArray[np.float64]  # whole numbers, so small that sums of products stay below 2^53

_SCALE = 2.0**15  # length of a row
_FINE = 2.0**20  # largest component before a row is scaled
_ROUNDS = 50
_SIGNATURE = 128  # components of the random signs of an item


def item_clusters(vectors: NDArray[np.floating], count: int, rng: np.random.Generator) -> Whole:
    """One-hot clusters (V + 1, K) of items by k-means on the directions of their vectors.

    Spherical k-means (Dhillon and Modha, 2001) of the centred rows, started by k-means++ (Arthur
    and Vassilvitskii, 2007). K is ``count``, or less where fewer rows differ.

    Args:
        vectors: (V + 1, S) Vectors, row 0 (padding) not used.
        count: Number of clusters.
        rng: Stream of the first centres.
    """
    rows = _unit(np.asarray(vectors[1:], dtype=np.float64))
    rows = _unit(rows - np.rint(rows.mean(axis=0)))
    labels, found = _kmeans(rows, count, rng)
    clusters = np.zeros((len(vectors), found))
    clusters[np.arange(1, len(vectors)), labels] = 1.0
    return clusters


def co_occurrence_vectors(
    sequences: Sequences, num_items: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Vectors (V + 1, 128) whose directions are close for items that the same users have.

    Each item has a signature of random signs; a user is the sum of the signatures of its items,
    frequent items weighing less, and an item the sum of its users without its own share: a random
    projection (Achlioptas, 2003) of the item-item co-occurrence, which is never made.

    Args:
        sequences: Training part of the users.
        num_items: V.
        rng: Stream of the signatures.
    """
    from scipy import sparse

    signs = rng.integers(0, 2, (num_items + 1, _SIGNATURE)) * 2 - 1
    owners = np.repeat(np.arange(sequences.num_users), sequences.lengths())
    has = sparse.csr_matrix(
        (np.ones(len(owners), dtype=np.int64), (owners, sequences.items)),
        shape=(sequences.num_users, num_items + 1),
    )
    has.data[:] = 1  # an item that a user had twice
    frequency = np.asarray(has.sum(axis=0)).ravel()
    weights = np.rint(1024 / np.sqrt(np.maximum(frequency, 1))).astype(np.int64)
    weighted = signs * weights[:, None]
    both = has.T @ (has @ weighted)
    return np.asarray(both - weighted * frequency[:, None], dtype=np.float64)


def _unit(rows: NDArray[np.float64]) -> Whole:
    """Rows of one length, in whole numbers; a row of zeros stays one."""
    largest = np.abs(rows).max(axis=1, keepdims=True)
    whole = np.rint(rows * (_FINE / np.maximum(largest, 1e-300)))
    norm = np.sqrt((whole * whole).sum(axis=1, keepdims=True))
    found: Whole = np.rint(whole * (_SCALE / np.maximum(norm, 1.0)))
    return found


def _kmeans(rows: Whole, count: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], int]:
    """Cluster (V,) of each row, and how many clusters there are."""
    centres = _first_centres(rows, count, rng)
    labels = np.full(len(rows), -1)
    for _ in range(_ROUNDS):
        now = (rows @ centres.T).argmax(axis=1)
        if (now == labels).all():
            break
        labels = now
        for cluster in range(len(centres)):
            if (labels == cluster).any():
                centres[cluster] = _unit(rows[labels == cluster].sum(axis=0, keepdims=True))[0]
    return labels, len(centres)


def _first_centres(rows: Whole, count: int, rng: np.random.Generator) -> Whole:
    """Rows to start from, each drawn by its distance from those before it."""
    centres = [rows[int(rng.integers(len(rows)))]]
    nearest = np.full(len(rows), np.inf)
    while len(centres) < count:
        nearest = np.minimum(nearest, np.maximum(_SCALE * _SCALE - rows @ centres[-1], 0))
        nearest[(rows == centres[-1]).all(axis=1)] = 0  # rounding may leave a row some distance
        drawn = np.cumsum(nearest.astype(np.int64))
        if drawn[-1] == 0:
            break
        place = int(np.searchsorted(drawn, rng.integers(drawn[-1]), side="right"))
        centres.append(rows[place])
    return np.stack(centres)
