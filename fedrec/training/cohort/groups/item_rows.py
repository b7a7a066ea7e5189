"""Gathered item rows: the rows of item arrays that training reads, copied per user."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedrec.models.recommender import Recommender
from fedrec.training.windows import Ints, UserStep

GROUP_BYTES = 512 << 20  # that the item arrays of a group may take
COPIES = 4  # of a row: what it was, what it is, its gradient, its vector


def most_sets(model: Recommender, num_rows: int) -> int:
    """How many weight sets of so many rows fit into a group; one always does.

    A function of shapes alone, never of free memory: the order of float sums hangs on it.
    """
    arrays = dict(model.named_parameters()) | dict(model.named_buffers())
    row = sum(arrays[name][0].numel() * arrays[name].element_size() for name in model.item_arrays)
    return max(1, GROUP_BYTES // max(1, COPIES * num_rows * row))


def rows_read(
    steps: Sequence[UserStep], shared: Sequence[Ints], num_items: int, *, needs_all: bool
) -> Ints:
    """(R,) the items whose rows a user's steps read, ascending; all if each is read or decays."""
    if needs_all:
        return np.arange(1, num_items + 1)
    is_read = np.zeros(num_items + 1, dtype=bool)
    _mark(is_read, steps)
    for negatives in shared:
        is_read[negatives] = True
    return np.flatnonzero(is_read)


def _mark(is_read: NDArray[np.bool_], steps: Sequence[UserStep]) -> None:
    """Set the flags (V + 1,) of what a user's steps read, but for what all users share."""
    for step in steps:
        is_read[step.items] = True
        is_read[step.targets] = True
        if step.negatives is not None:
            is_read[step.negatives] = True


@dataclass(frozen=True)
class GatheredRows:
    """Rows of the item arrays that each of S weight sets holds a copy of.

    Attributes:
        needed: (S, R) Item numbers, padded with 0; 0 is always among them.
        owner: (U,) Weight set of each user.
        index: (S, V + 1) Index of an item among the rows of its set; undefined for other items.
    """

    needed: Ints
    owner: Ints
    index: NDArray[np.int32]

    def of(self, items: Ints) -> Ints:
        """Rows of the flattened (S * R) table for items (U, ...) of each user."""
        owner = self.owner.reshape(-1, *[1] * (items.ndim - 1))
        return np.asarray(self.index[owner, items] + owner * self.needed.shape[1])


def gathered_rows(
    users: Sequence[Sequence[UserStep]], shared: Sequence[Ints], num_items: int, *, together: bool
) -> GatheredRows:
    """The rows that training reads, of each user alone or of all of them together.

    Rows that no loss reads have no gradient: plain SGD, and Adam that starts afresh, leave them
    where they are, so copying the others alone is exact.

    Args:
        users: Steps of each of U users.
        shared: Negatives (K,) of each step that all users share.
        num_items: V.
        together: One weight set for all users, for a single summed gradient.
    """
    owner = np.zeros(len(users), dtype=np.int64) if together else np.arange(len(users))
    is_read = np.zeros((int(owner[-1]) + 1, num_items + 1), dtype=bool)
    is_read[:, 0] = True
    for negatives in shared:
        is_read[:, negatives] = True
    for number, steps in zip(owner, users, strict=True):
        _mark(is_read[number], steps)
    return rows_where(is_read, owner)


def all_rows(num_users: int, num_items: int, *, together: bool) -> GatheredRows:
    """Every row: for losses over the whole catalogue and for weight decay."""
    owner = np.zeros(num_users, dtype=np.int64) if together else np.arange(num_users)
    return rows_where(np.ones((int(owner[-1]) + 1, num_items + 1), dtype=bool), owner)


def rows_where(is_read: NDArray[np.bool_], owner: Ints) -> GatheredRows:
    """Rows from flags (S, V + 1)."""
    index = np.cumsum(is_read, axis=1, dtype=np.int32) - 1
    sets, items = np.nonzero(is_read)
    needed = np.zeros((len(is_read), int(index[:, -1].max()) + 1), dtype=np.int64)
    needed[sets, index[sets, items]] = items
    return GatheredRows(needed, owner, index)
