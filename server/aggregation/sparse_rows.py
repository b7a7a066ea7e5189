"""A mean over all users made one over those whose training touched a row (FedSubAvg).

A row that few users read is else pulled towards where it was by all who did not read it
(Ding et al., NeurIPS 2022, with the round's users in the place of everybody).
"""

from collections.abc import Collection, Sequence

import numpy as np

from fedrec.models.parameters import NamedArrays
from server.replies.train import TrainReply


def row_scales(replies: Sequence[TrainReply]) -> np.ndarray | None:
    """(V + 1,) weight of all users over that of those who touched the row; 1 where nobody did.

    None where nobody was asked who touched what, and the mean is over all.
    """
    if not len(replies[0].touched):
        return None
    touched = sum(one.touched for one in replies)
    weight = sum(one.weight for one in replies)
    return np.divide(weight, touched, out=np.ones(np.shape(touched)), where=touched > 0)


def scaled(update: NamedArrays, rows: Collection[str], scales: np.ndarray | None) -> NamedArrays:
    """An update with each item's part of the arrays named in ``rows``, (V + 1, ...), scaled."""
    if scales is None:
        return update
    return {
        name: array * scales.reshape(-1, *[1] * (array.ndim - 1)) if name in rows else array
        for name, array in update.items()
    }
