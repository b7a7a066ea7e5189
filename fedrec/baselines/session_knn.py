"""V-SKNN: votes of the users whose histories share items, without training by gradients.

Vector multiplication session-based kNN (Ludewig & Jannach, UMUAI 2018): a history is a vector of
its last R distinct items, whose weights fall linearly with the place of the item's last event,
from 1 for the newest to 1 / R; a neighbour is binary. The similarity is their dot product; the K
most similar training histories vote for what they hold, each with its similarity. As in the
paper's sampling, only neighbours that share an item are looked at; the data here need no sample.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from fedrec.baselines.item_knn import strongest, users_by_items
from fedrec.data.sequences import Sequences
from fedrec.evaluation.gates import no_gates
from fedrec.evaluation.leave_one_out import Scorer, Scores

# Both by validation NDCG@10: experiments/results.
NEIGHBOURS = 100  # K
RECENT = 5  # R


def session_knn_scorer(
    training: Sequences, num_items: int, neighbours: int = NEIGHBOURS, recent: int = RECENT
) -> Scorer:
    """Score every item by the similarity of the neighbours that have had it.

    A user's own training history is one of the candidates, and votes for nothing but what a
    ranking leaves out. Among equally similar histories the one of the lower number is kept.

    Args:
        training: Training parts, the possible neighbours.
        num_items: V.
        neighbours: K, neighbours of a history.
        recent: R, newest distinct items of a history that are looked at.
    """
    had = users_by_items([training.of(user) for user in range(training.num_users)], num_items)
    by_item = had.T.tocsr()

    def score(histories: Sequence[np.ndarray], *_: object) -> Scores:
        similarity = (_decayed(histories, num_items, recent) @ by_item).tocsr()
        rows, users = similarity.nonzero()
        nearest = strongest(rows, users, similarity.data, shape=similarity.shape, count=neighbours)
        return Scores((nearest @ had).toarray() / recent, no_gates())

    return score


def _decayed(histories: Sequence[np.ndarray], num_items: int, recent: int) -> sparse.csr_array:
    """(B, V + 1) Weights of the newest distinct items of each history, times R: R, R - 1, ..., 1.

    Their sums are exact, so that histories which are equally similar are so to the bit.
    """
    newest = [list(dict.fromkeys(h[h > 0][::-1].tolist()))[:recent] for h in histories]
    rows = np.repeat(np.arange(len(newest)), [len(items) for items in newest])
    weights = [float(recent - place) for items in newest for place in range(len(items))]
    columns = [item for items in newest for item in items]
    shape = (len(newest), num_items + 1)
    return sparse.csr_array((np.array(weights), (rows, np.array(columns, dtype=np.int64))), shape)
