"""Markov: counted transitions between items, without training by gradients.

With n_d(i, j) how often item j came d events after item i in a training sequence, and d = 1..3:

    P(j | i) = sum_d n_d(i, j) / d  /  sum_j' sum_d n_d(i, j') / d
    score(j | history) = sum_a P(j | a-th newest item) / a, with a = 1..5

Counting over a gap is the skipping of Shani, Heckerman & Brafman, JMLR 2005; both weights 1 / d
and the sum over a history are those of sequential rules (Ludewig & Jannach, UMUAI 2018). A gap or
a place in the history that counts in full is worse: experiments/results.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from fedrec.data.sequences import Sequences
from fedrec.evaluation.gates import no_gates
from fedrec.evaluation.leave_one_out import Scorer, Scores

LAGS = 3  # events between an item and what is counted as following it, at most
RECENT = 5  # newest items of a history whose followers are offered


def transition_shares(training: Sequences, num_items: int, lags: int = LAGS) -> sparse.csr_array:
    """Shares (V + 1, V + 1): entry (i, j) is P(j | i); a row sums to 1, or to 0 without followers.

    Args:
        training: Training parts; item 0, the padding, neither follows nor is followed.
        num_items: V.
        lags: Largest distance d that is counted.
    """
    size = num_items + 1
    counts = sparse.csr_array((size, size), dtype=np.float64)
    owners = np.repeat(np.arange(training.num_users), training.lengths())
    items = training.items
    for lag in range(1, lags + 1):
        before, after = items[:-lag], items[lag:]
        counted = (owners[:-lag] == owners[lag:]) & (before > 0) & (after > 0)
        ones = np.full(int(counted.sum()), 1 / lag)
        # Equal entries are summed here, lag after lag: the order of float additions is fixed.
        counts += sparse.csr_array(
            sparse.coo_array((ones, (before[counted], after[counted])), shape=(size, size))
        )
    totals = np.asarray(counts.sum(axis=1)).reshape(-1)
    scale = np.divide(1.0, totals, out=np.zeros_like(totals), where=totals > 0)
    return sparse.csr_array(sparse.diags_array(scale) @ counts)


def markov_scorer(shares: sparse.csr_array, recent: int = RECENT) -> Scorer:
    """Score every item by how often it followed the newest items of a history.

    Args:
        shares: ``transition_shares``.
        recent: How many of a history's last events are looked at.
    """
    num_items = shares.shape[0] - 1

    def score(histories: Sequence[np.ndarray], *_: object) -> Scores:
        newest = [history[-recent:][::-1] for history in histories]
        rows = np.repeat(np.arange(len(newest)), [len(items) for items in newest])
        items = np.concatenate(newest)
        weights = np.concatenate([1 / np.arange(1, len(items) + 1) for items in newest])
        real = items > 0
        read = sparse.csr_array(
            (weights[real], (rows[real], items[real])), shape=(len(newest), num_items + 1)
        )
        return Scores((read @ shares).toarray(), no_gates())

    return score
