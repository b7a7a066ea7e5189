"""Sparse row averaging (FedSubAvg): average an item's row over the users whose training read it.

In a mean over all users, those who did not read a row pull it back to its old value (Ding et al.,
NeurIPS 2022; here over the users of the round instead of all users).
"""

from collections.abc import Collection, Sequence

import numpy as np

from fedrec.models.parameters import NamedArrays
from server.replies.train import TrainReply


def row_scales(replies: Sequence[TrainReply]) -> np.ndarray | None:
    """Scales (V + 1,): weight of all users over that of the users who read the row; 1 for no user.

    None without sparse averaging: the mean is over all users.
    """
    if not len(replies[0].row_weights):
        return None
    read = sum(one.row_weights for one in replies)
    weight = sum(one.weight for one in replies)
    return np.divide(weight, read, out=np.ones(np.shape(read)), where=read > 0)


def scale_rows(
    update: NamedArrays, item_rows: Collection[str], scales: np.ndarray | None
) -> NamedArrays:
    """Scale each item's row of the arrays named in ``item_rows``, (V + 1, ...), by (V + 1,)."""
    if scales is None:
        return update
    return {
        name: array * scales.reshape(-1, *[1] * (array.ndim - 1)) if name in item_rows else array
        for name, array in update.items()
    }
