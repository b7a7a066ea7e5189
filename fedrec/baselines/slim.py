"""SLIM: sparse linear weights of items by items, learned by coordinate descent.

Ning & Karypis, ICDM 2011: for each item j, with the binary matrix X of users and items,

    min over w >= 0, w_j = 0 of  1/2 |x_j - X w|^2 + beta/2 |w|^2 + lambda |w|_1

Only the K items nearest to j by cosine may have a weight (fsSLIM in the paper), so that a catalogue
of many items takes seconds. All items' problems are solved at once, block by block, in one thread.
"""

import numpy as np
from scipy import sparse

from fedrec.baselines.item_knn import item_neighbours, users_by_items
from fedrec.data.sequences import Sequences

# By validation NDCG@10: experiments/results.
CANDIDATES = 100  # K
L2 = 50.0  # beta
L1 = 1.0  # lambda

SWEEPS = 1_000  # over all coordinates, at most: columns alike converge slowly
TOLERANCE = 1e-6  # largest change of a weight in a sweep that still counts
_BLOCK = 128  # items whose problems are solved together


def slim_weights(
    training: Sequences,
    num_items: int,
    *,
    candidates: int = CANDIDATES,
    l2: float = L2,
    l1: float = L1,
) -> sparse.csr_array:
    """Weights (V + 1, V + 1) float64: row i holds those of item i for other items.

    ``neighbours_scorer`` of ``fedrec.baselines.item_knn`` scores by them.

    Args:
        training: Training parts.
        num_items: V.
        candidates: K, items that may have a weight for an item.
        l2: beta.
        l1: lambda.
    """
    had = users_by_items([training.of(user) for user in range(training.num_users)], num_items)
    together = (had.T @ had).tocsr()
    nearest = item_neighbours(training, num_items, candidates)
    blocks = [
        _solve(np.arange(start, min(start + _BLOCK, num_items + 1)), nearest, together, l2, l1)
        for start in range(0, num_items + 1, _BLOCK)
    ]
    rows, columns, values = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    shape = (num_items + 1, num_items + 1)
    return sparse.csr_array((values, (rows, columns)), shape=shape)


def _solve(
    items: np.ndarray,
    nearest: sparse.csr_array,
    together: sparse.csr_array,
    l2: float,
    l1: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and values of the weights above 0 for some items.

    Args:
        items: (n,) Items j.
        nearest: (V + 1, V + 1) Candidates of each item.
        together: (V + 1, V + 1) X^T X.
        l2: beta.
        l1: lambda.
    """
    own = [nearest.indices[nearest.indptr[item] : nearest.indptr[item + 1]] for item in items]
    size = max(1, max(map(len, own)))
    index = np.zeros((len(items), size), dtype=np.int64)  # unused places point to the padding
    for place, some in enumerate(own):
        index[place, : len(some)] = np.sort(some)
    # Slicing a sparse matrix takes longer than the descent: rows are laid out once for a block.
    used, place_of = np.unique(index, return_inverse=True)
    dense = together[used][:, used].toarray()
    local = place_of.reshape(index.shape)
    gram = dense[local[:, :, None], local[:, None, :]]  # (n, K, K)
    target = np.take_along_axis(together[items][:, used].toarray(), local, axis=1)
    weights = _descend(gram, target, l2, l1)
    row, candidate = np.nonzero(weights)
    return index[row, candidate], items[row], weights[row, candidate]


def _descend(gram: np.ndarray, target: np.ndarray, l2: float, l1: float) -> np.ndarray:
    """Minimisers (n, K) of n problems over their Gram matrices (n, K, K) and targets (n, K)."""
    weights = np.zeros_like(target)
    curvature = np.diagonal(gram, axis1=1, axis2=2)
    for _ in range(SWEEPS):
        largest = 0.0
        for one in range(target.shape[1]):
            before = weights[:, one].copy()
            others = (gram[:, one] * weights).sum(axis=1) - curvature[:, one] * before
            after = np.maximum(target[:, one] - others - l1, 0) / (curvature[:, one] + l2)
            weights[:, one] = after
            largest = max(largest, float(np.abs(after - before).max()))
        if largest < TOLERANCE:
            break
    return weights
