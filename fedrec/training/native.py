"""Softmax loss of SASRec by the kernel, user after user, with the gradient from the same pass."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedrec.data.sequences import Sequences
from fedrec.models.layers.transformer import CausalTransformer, kernel_shape
from fedrec.models.recommender import Recommender
from fedrec.models.sasrec import SASRec
from fedrec.native.users import UserGradients, UserTargets
from fedrec.training.batches import Batch

Ints = NDArray[np.int64]
# Users (B,), lengths (B,), num_masks and width -> dropout masks (num_masks, B, L, D), or none.
Masks = Callable[[Ints, Ints, int, int], Tensor | None]


def gradients_of(model: Recommender) -> UserGradients | None:
    """What computes users' gradients at the weights of a model; none where the kernel cannot."""
    if type(model) is not SASRec or type(model.encoder) is not CausalTransformer:
        return None
    if not all(parameter.requires_grad for parameter in model.parameters()):
        return None
    rows, encoder = model.rows.detach(), model.encoder
    shape = kernel_shape(encoder, rows[None])
    if shape is None:
        return None
    arrays = [parameter.detach() for parameter in encoder.parameters()]
    return UserGradients(rows, model.scale, shape, arrays)


def user_targets(
    items: Ints,
    targets: Ints,
    lengths: Ints,
    dropout_masks: Tensor | None,
    *,
    weight: float,
    history: np.ndarray | None,
    num_items: int,
) -> UserTargets:
    """What a user trains on.

    Args:
        items: (n,) What is read, window behind window.
        targets: (n,) What followed.
        lengths: (W,) Targets of each window.
        dropout_masks: (num_masks, n, D) Dropout masks, or none.
        weight: Weight of each target's loss.
        history: Items that are no negatives of this user, or none.
        num_items: V.
    """
    refused = None
    if history is not None:
        refused = torch.zeros(num_items + 1, dtype=torch.bool)
        refused[torch.from_numpy(history.astype(np.int64))] = True
        refused = refused[1:]
    return UserTargets(
        items=torch.from_numpy(items),
        targets=torch.from_numpy(targets),
        lengths=torch.from_numpy(lengths),
        refused=refused,
        dropout_masks=dropout_masks,
        weight=weight,
    )


def batch_loss(
    model: Recommender,
    batch: Batch,
    draw: Masks,
    training: Sequences,
    catalogue: np.ndarray,
    keep: bool,
) -> Tensor | None:
    """Mean loss over the targets of a batch against the catalogue; none where the kernel cannot.

    Args:
        model: Model that holds the weights.
        batch: Windows whose every position has a target.
        draw: Function that draws dropout masks.
        training: Training parts of all users.
        catalogue: (C,) Items that users may be offered; the kernel takes no less than all.
        keep: Whether items of a user's training history are negatives.
    """
    found = gradients_of(model)
    if found is None or len(catalogue) < found.num_items or (batch.counts < batch.lengths).any():
        return None
    gradient = torch.zeros(found.size)
    total, num_items, width = 0.0, found.num_items, found.width
    first = np.flatnonzero(np.diff(batch.users, prepend=-1))
    for begin, end in zip(first, np.append(first[1:], len(batch.users)), strict=True):
        user, lengths = int(batch.users[begin]), batch.lengths[begin:end]
        count = int(lengths.sum())
        masks = draw(np.array([user]), np.array([count]), model.num_dropout_masks, width)
        real = np.arange(batch.items.shape[1]) < lengths[:, None]
        own = user_targets(
            batch.items[begin:end][real],
            batch.targets[begin:end][real],
            lengths,
            None if masks is None else masks[:, 0],
            weight=1 / batch.num_targets,
            history=None if keep else training.of(user),
            num_items=num_items,
        )
        total += found.add(own, gradient)
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
