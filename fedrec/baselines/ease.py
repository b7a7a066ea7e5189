"""EASE: a linear autoencoder over item sets in closed form, without training by gradients.

Steck, WWW 2019 ("Embarrassingly Shallow Autoencoders for Sparse Data"): with the binary matrix X
of users and items, the weights B that minimise |X - X B|^2 + lambda |B|^2 with diag(B) = 0 are

    P = (X^T X + lambda I)^-1,    B_ij = -P_ij / P_jj for i != j

A history counts as a set: order, time and repeats are ignored.
"""

from collections.abc import Sequence

import numpy as np
from scipy import linalg
from threadpoolctl import threadpool_limits

from fedrec.baselines.item_knn import users_by_items
from fedrec.data.sequences import Sequences
from fedrec.evaluation.gates import no_gates
from fedrec.evaluation.leave_one_out import Scorer, Scores

PENALTY = 250.0  # lambda, by validation NDCG@10: experiments/results


def ease_weights(training: Sequences, num_items: int, penalty: float = PENALTY) -> np.ndarray:
    """Weights (V + 1, V + 1) float64 of items by items; those of the padding are zeros.

    Takes two matrices of that size, and one thread, so that the same data give the same bytes.

    Args:
        training: Training parts.
        num_items: V.
        penalty: lambda.
    """
    had = users_by_items([training.of(user) for user in range(training.num_users)], num_items)
    together = (had.T @ had).toarray()[1:, 1:]
    together[np.diag_indices(num_items)] += penalty
    with threadpool_limits(1):
        inverse = linalg.inv(together, overwrite_a=True, check_finite=False)
    weights = np.zeros((num_items + 1, num_items + 1))
    weights[1:, 1:] = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights


def linear_scorer(weights: np.ndarray) -> Scorer:
    """Score every item by the sum of the weights from the distinct items of the history to it.

    Args:
        weights: (V + 1, V + 1) of ``ease_weights``, row i holds the weights of item i.
    """

    def score(histories: Sequence[np.ndarray], *_: object) -> Scores:
        return Scores(users_by_items(histories, len(weights) - 1) @ weights, no_gates())

    return score
