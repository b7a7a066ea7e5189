"""Padded tensors of one training step of a group of users.

A group's windows lie in two rectangles, one of full windows and one of the users' short windows:
cut that way, users alike in length need next to no padding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedrec.training.cohort.groups.item_rows import GatheredRows
from fedrec.training.windows import Ints, UserStep


@dataclass(frozen=True)
class Rectangle:
    """B windows of L columns of each of U users, padded on the right.

    Attributes:
        first: Column where the first window begins.
        count: B.
        length: L.
        lengths: (U * B,) Real positions, sorted by user; 1 for a window that is all padding.
    """

    first: int
    count: int
    length: int
    lengths: Tensor

    def cut(self, array: Tensor, axis: int = 0) -> Tensor:
        """Windows (..., U * B, L, ...) of an array (..., U, M, ...) whose U is at ``axis``."""
        own = array.narrow(axis + 1, self.first, self.count * self.length)
        shape = (*array.shape[:axis], len(self.lengths), self.length, *array.shape[axis + 2 :])
        return own.reshape(shape)


@dataclass(frozen=True, kw_only=True)
class GroupStep:
    """One step of a group of U users; M columns each, those of the first rectangle first.

    Attributes:
        rectangles: Rectangles where the windows lie, one or two.
        indices: (U, M) Rows of the item table that are read.
        from_end: (U, M) How many positions follow in the window, 0 at padding.
        dropout_masks: (num_masks, U, M, D) Dropout masks or none.
        targets: (U, M) Rows of the item table that followed.
        negatives: (U, M, K) Rows drawn for each target, (U, K) shared by a user's targets, none.
        refused: (U, K) Shared negatives in a user's history, or (U, V) all items in it; none.
        is_real: (U, M) 1 where there is a target, 0 at padding.
        counts: (U,) Targets of each user.
        emphasis: (U, M) Weight of each target in what is differentiated, 0 at padding.
    """

    rectangles: Sequence[Rectangle]
    indices: Tensor
    from_end: Tensor
    dropout_masks: Tensor | None
    targets: Tensor
    negatives: Tensor | None
    refused: Tensor | None
    is_real: Tensor
    counts: Tensor
    emphasis: Tensor


def group_step(
    steps: Sequence[UserStep],
    rows: GatheredRows,
    *,
    max_length: int,
    shared: Ints | None,
    compared: Ints | None,
    histories: Sequence[NDArray[np.integer]],
    shares: Sequence[float],
    device: torch.device,
    dtype: torch.dtype,
) -> GroupStep:
    """Lay one step of U users into tensors.

    Args:
        steps: Step of each user.
        rows: Gathered item rows.
        max_length: L, of a full window.
        shared: (K,) Negatives that all users share, or none.
        compared: (K,) Items that are left out for users who have had them, or none.
        histories: History of each user.
        shares: Weight of each user's mean loss in what is differentiated.
        device: Device of the tensors.
        dtype: Type of weights and masks.
    """
    users = len(steps)
    full = [int((step.lengths == max_length).sum()) for step in steps]
    rest = [
        int(step.lengths.sum()) - max_length * count
        for step, count in zip(steps, full, strict=True)
    ]
    wide, narrow = max(full) * max_length, max(rest)  # columns of full and of short windows
    filled = np.zeros((users, max(full)), dtype=np.int64)
    filled[np.arange(max(full)) < np.array(full)[:, None]] = max_length
    real_lengths = [filled, np.array(rest)[:, None]]
    shapes = [(max(full), max_length), (int(narrow > 0), narrow)]
    is_real = np.concatenate(
        [
            (np.arange(length) < real[:, :count, None]).reshape(users, -1)
            for (count, length), real in zip(shapes, real_lengths, strict=True)
        ],
        axis=1,
    )
    from_end = np.concatenate(
        [
            (real[:, :count, None] - 1 - np.arange(length)).clip(min=0).reshape(users, -1)
            for (count, length), real in zip(shapes, real_lengths, strict=True)
        ],
        axis=1,
    )

    counts = is_real.sum(axis=1)
    laid = GroupStep(
        rectangles=[
            Rectangle(
                first,
                count,
                length,
                torch.from_numpy(real[:, :count].reshape(-1).clip(min=1)).to(device),
            )
            for first, (count, length), real in zip((0, wide), shapes, real_lengths, strict=True)
            if count * length
        ],
        indices=_sent(rows.of(_spread([step.items for step in steps], is_real)), device),
        from_end=_sent(from_end, device),
        dropout_masks=None,
        targets=_sent(rows.of(_spread([step.targets for step in steps], is_real)), device),
        negatives=None,
        refused=None,
        is_real=torch.from_numpy(is_real).to(device, dtype),
        counts=torch.from_numpy(counts).to(device, dtype),
        emphasis=torch.from_numpy(is_real * (np.array(shares) / counts)[:, None]).to(device, dtype),
    )
    return redrawn(laid, steps, rows, shared=shared, compared=compared, histories=histories)


def redrawn(
    laid: GroupStep,
    steps: Sequence[UserStep],
    rows: GatheredRows,
    *,
    shared: Ints | None,
    compared: Ints | None,
    histories: Sequence[NDArray[np.integer]],
) -> GroupStep:
    """A step over windows that are laid out already, with negatives and dropout masks of its own.

    Args:
        laid: A step over the same windows.
        steps: Step of each user.
        rows: Gathered item rows.
        shared: (K,) Negatives that all users share, or none.
        compared: (K,) Items that are left out for users who have had them, or none.
        histories: History of each user.
    """
    is_real = laid.is_real.cpu().numpy() > 0
    device, dtype = laid.is_real.device, laid.is_real.dtype
    negatives = refused = None
    if steps[0].negatives is not None:
        own = [step.negatives for step in steps if step.negatives is not None]
        negatives = _sent(rows.of(_spread(own, is_real)), device)
    if shared is not None:
        negatives = _sent(rows.of(np.broadcast_to(shared, (len(steps), len(shared)))), device)
    if compared is not None and shared is None and laid.refused is not None:
        refused = laid.refused  # of all items, the same in every step
    elif compared is not None:
        refused = _sent(np.stack([np.isin(compared, history) for history in histories]), device)
    dropout_masks = _joined_masks(steps, is_real)
    return replace(
        laid,
        dropout_masks=None if dropout_masks is None else dropout_masks.to(device, dtype),
        negatives=negatives,
        refused=refused,
    )


def _spread(arrays: Sequence[Ints], is_real: NDArray[np.bool_]) -> Ints:
    """(U, M, ...) from each user's (m, ...), which are in the order of the columns."""
    joined = np.concatenate(arrays)
    out = np.zeros((*is_real.shape, *joined.shape[1:]), dtype=np.int64)
    out[is_real] = joined
    return out


def _sent(array: NDArray[np.generic], device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device)


def _joined_masks(steps: Sequence[UserStep], is_real: NDArray[np.bool_]) -> Tensor | None:
    """(num_masks, U, M, D) from each user's factors; 1 at padding."""
    drawn = [step.dropout_masks for step in steps if step.dropout_masks is not None]
    if not drawn:
        return None
    num_masks, _, width = drawn[0].shape
    joined = torch.ones(num_masks, *is_real.shape, width, dtype=drawn[0].dtype)
    joined[:, torch.from_numpy(is_real)] = torch.cat(drawn, dim=1)
    return joined
