"""Nearest text: rank by similarity of semantic embeddings to the newest items, without training.

The baseline for claims about cold items: it uses no co-occurrence, so that a cold item is ranked
as easily as any other.
"""

from collections.abc import Sequence

import numpy as np
import torch

from fedrec.evaluation.gates import no_gates
from fedrec.evaluation.leave_one_out import Scorer, Scores
from fedrec.models.layers.fixed_shapes import products

# Events of a history; validation NDCG@10 of ML-100K picked it: experiments/results.
RECENT = 5


def nearest_text_scorer(vectors: np.ndarray, recent: int = RECENT) -> Scorer:
    """Score an item by the cosine of its embedding and the mean of the user's newest ones.

    Args:
        vectors: (V + 1, S) Frozen embedding table, row 0 zero; a zero vector has cosine 0 to all.
        recent: How many of a user's last events the mean is taken over.
    """
    rows = vectors.astype(np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = torch.from_numpy(np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0))

    def score(histories: Sequence[np.ndarray], *_: object) -> Scores:
        # The length of a user's mean moves no rank.
        means = np.stack([rows[history[-recent:]].mean(axis=0) for history in histories])
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        means = np.divide(means, lengths, out=np.zeros_like(means), where=lengths > 0)
        scores = products(torch.from_numpy(means), unit)  # alike in any batch, and of equal texts
        return Scores(scores.numpy(), no_gates())

    return score
