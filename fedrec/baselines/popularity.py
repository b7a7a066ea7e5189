"""Popularity: the same ranking for everybody, by training events."""

from collections.abc import Sequence

import numpy as np

from fedrec.evaluation.gates import no_gates
from fedrec.evaluation.leave_one_out import Scorer, Scores


def popularity_scorer(counts: np.ndarray) -> Scorer:
    """Score every item by its training events.

    Args:
        counts: (V + 1,) Training events per item.
    """

    def score(histories: Sequence[np.ndarray], *_: object) -> Scores:
        scores = np.broadcast_to(counts.astype(np.float64), (len(histories), len(counts)))
        return Scores(scores, no_gates())

    return score
