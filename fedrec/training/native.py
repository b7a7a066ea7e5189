"""Losses of SASRec by the kernel, user after user, with the gradient from the same pass."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedrec.data.sequences import Sequences
from fedrec.models.layers.transformer import KERNEL_BLOCKS, CausalTransformer, kernel_shape
from fedrec.models.recommender import Recommender
from fedrec.models.sasrec import SASRec
from fedrec.native.users import UserTargets, UserWeights
from fedrec.training.batches import Batch

Ints = NDArray[np.int64]
# Users (B,), lengths (B,), num_masks and width -> dropout masks (num_masks, B, L, D), or none.
Masks = Callable[[Ints, Ints, int, int], Tensor | None]


def native_weights(model: Recommender, *, is_turned: bool = True) -> UserWeights | None:
    """A copy of a model's weights for the kernel; none where it cannot compute the model.

    Args:
        model: Model that holds the weights.
        is_turned: Whether losses against all rows are asked for.
    """
    if type(model) is not SASRec or type(model.encoder) is not CausalTransformer:
        return None
    if not all(one.requires_grad and one.dtype == torch.float32 for one in model.parameters()):
        return None
    if len({type(block) for block in model.encoder.blocks} - set(KERNEL_BLOCKS)):
        return None  # a block of one's own
    rows, encoder = model.rows.detach(), model.encoder
    shape = kernel_shape(encoder, rows[None])
    if shape is None:
        return None
    arrays = [rows, *(one.detach() for one in encoder.parameters())]
    flat = torch.cat([array.reshape(-1) for array in arrays])
    return UserWeights(flat, len(rows), rows.shape[1], model.scale, shape, is_turned=is_turned)


def refused_by(history: np.ndarray, num_items: int) -> Tensor:
    """(V,) Whether each item is in a history."""
    refused = torch.zeros(num_items + 1, dtype=torch.bool)
    refused[torch.from_numpy(history.astype(np.int64))] = True
    return refused[1:]


def batch_loss(
    model: Recommender,
    batch: Batch,
    draw: Masks,
    training: Sequences,
    catalogue: np.ndarray,
    keep: bool,
) -> Tensor | None:
    """Mean softmax loss over the targets of a batch; none where the kernel cannot.

    Args:
        model: Model that holds the weights.
        batch: Windows whose every position has a target.
        draw: Function that draws dropout masks.
        training: Training parts of all users.
        catalogue: (C,) Items that users may be offered; the kernel takes no less than all.
        keep: Whether items of a user's training history are negatives.
    """
    is_whole = type(model) is SASRec and len(catalogue) == len(model.rows) - 1
    if not is_whole or (batch.counts < batch.lengths).any():
        return None
    weights = native_weights(model)
    if weights is None:
        return None
    gradient = torch.zeros_like(weights.flat)
    total = 0.0
    first = np.flatnonzero(np.diff(batch.users, prepend=-1))
    for begin, end in zip(first, np.append(first[1:], len(batch.users)), strict=True):
        user, lengths = int(batch.users[begin]), batch.lengths[begin:end]
        count = np.array([lengths.sum()])
        masks = draw(np.array([user]), count, model.num_dropout_masks, weights.width)
        is_real = np.arange(batch.items.shape[1]) < lengths[:, None]
        own = UserTargets(
            items=torch.from_numpy(batch.items[begin:end][is_real]),
            targets=torch.from_numpy(batch.targets[begin:end][is_real]),
            lengths=torch.from_numpy(lengths),
            negatives=None,
            refused=None if keep else refused_by(training.of(user), weights.count - 1),
            dropout_masks=None if masks is None else masks[:, 0],
            weight=1 / batch.num_targets,
        )
        total += weights.add_gradient(own, gradient)
    parameters: Sequence[Tensor] = list(model.parameters())
    # torch leaves ``apply`` unannotated
    loss: Tensor = _Known.apply(total / batch.num_targets, gradient, *parameters)  # type: ignore[no-untyped-call]
    return loss


class _Known(torch.autograd.Function):
    """A loss whose gradient is known, all parameters one behind the other."""

    @staticmethod
    def forward(ctx: Any, loss: float, gradient: Tensor, *parameters: Tensor) -> Tensor:
        """The loss as a scalar."""
        ctx.gradient, ctx.shapes = gradient, [parameter.shape for parameter in parameters]
        return gradient.new_tensor(loss)

    @staticmethod
    def backward(ctx: Any, factor: Tensor) -> tuple[Any, ...]:
        sizes = [shape.numel() for shape in ctx.shapes]
        parts = torch.split(ctx.gradient * factor, sizes)
        own = [part.view(shape) for part, shape in zip(parts, ctx.shapes, strict=True)]
        return None, None, *own
