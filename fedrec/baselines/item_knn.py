"""Item-kNN: neighbourhood baselines of item co-occurrence, without training by gradients.

Item-based nearest neighbours (Sarwar et al., WWW 2001) on implicit data: the cosine of two items'
columns in the binary user-item matrix, the strongest kept of each item (Deshpande & Karypis, TOIS
2004). A history counts as a set: order, time and repeats are ignored. For the next item, the
neighbours of the newest items alone do far better, so both are offered. (The shrinkage of
Dacrema et al., RecSys 2019, was tried and only made it worse.)
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from fedrec.data.sequences import Sequences
from fedrec.evaluation.gates import no_gates
from fedrec.evaluation.leave_one_out import Scorer, Scores

# Both by validation NDCG@10, which is flat in the neighbours: experiments/results.
NEIGHBOURS = 20  # kept of each item, as Deshpande & Karypis do
RECENT = 5  # items of a history whose neighbours "recent-item-knn" offers

_BLOCK = 512  # items whose neighbours are looked for together


def item_neighbours(
    training: Sequences, num_items: int, neighbours: int = NEIGHBOURS
) -> sparse.csr_array:
    """Compute item similarities (V + 1, V + 1); row i holds the ``neighbours`` nearest items.

    The similarity of i and j is n_ij / sqrt(n_i * n_j), with n the users who had an item, or
    both. Among equals the lower number is kept. An item is no neighbour of itself: a ranking
    leaves out what the user has had.

    Args:
        training: Training parts.
        num_items: V.
        neighbours: Kept of each item.
    """
    had = users_by_items([training.of(user) for user in range(training.num_users)], num_items)
    by_item = had.T.tocsr()
    norms = np.sqrt(np.asarray(had.sum(axis=0)))
    blocks = [
        _nearest((by_item[start : start + _BLOCK] @ had).tocsr(), start, norms, neighbours)
        for start in range(0, num_items + 1, _BLOCK)
    ]
    return sparse.csr_array(sparse.vstack(blocks, format="csr"))


def neighbours_scorer(similarity: sparse.csr_array, recent: int | None = None) -> Scorer:
    """Score every item by the sum of its similarities to the distinct items of the history.

    Args:
        similarity: ``item_neighbours``.
        recent: How many of a history's last events are looked at; all of them if not given.
    """
    num_items = similarity.shape[0] - 1

    def score(histories: Sequence[np.ndarray], *_: object) -> Scores:
        newest = [history[-recent:] if recent else history for history in histories]
        scores = (users_by_items(newest, num_items) @ similarity).toarray()
        return Scores(scores, no_gates())

    return score


def users_by_items(histories: Sequence[np.ndarray], num_items: int) -> sparse.csr_array:
    """Make the binary matrix (U, V + 1) float64: 1 where a history has an item, not padding."""
    rows = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    items = np.concatenate(histories)
    real = items > 0  # padding is nothing that users have in common
    had = sparse.csr_array(
        (np.ones(int(real.sum())), (rows[real], items[real])), shape=(len(histories), num_items + 1)
    )
    had.sum_duplicates()
    had.data[:] = 1
    return had


def _nearest(
    together: sparse.csr_array, first: int, norms: np.ndarray, neighbours: int
) -> sparse.csr_array:
    """The neighbours of a block of items.

    Args:
        together: (n, V + 1) Users who had both items.
        first: Number of the block's first item.
        norms: (V + 1,) Square root of each item's users.
        neighbours: Kept of each item.
    """
    rows, items = together.nonzero()
    others = items != rows + first
    rows, items, counts = rows[others], items[others], together.data[others]
    values = counts / (norms[rows + first] * norms[items])
    return strongest(rows, items, values, shape=together.shape, count=neighbours)


def strongest(
    rows: np.ndarray, columns: np.ndarray, values: np.ndarray, *, shape: tuple[int, int], count: int
) -> sparse.csr_array:
    """Keep the ``count`` largest entries of each row; among equals those of the lower column.

    Args:
        rows: (n,) Row of each entry.
        columns: (n,) Column of each entry.
        values: (n,) The entries.
        shape: Shape of the matrix.
        count: Entries that a row keeps.
    """
    order = np.lexsort((columns, -values, rows))
    begin = np.searchsorted(rows[order], np.arange(shape[0]))
    place = np.arange(len(order)) - begin[rows[order]]
    kept = order[place < count]
    return sparse.csr_array((values[kept], (rows[kept], columns[kept])), shape=shape)
