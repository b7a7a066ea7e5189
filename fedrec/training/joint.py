"""One step of many users as one gradient: the plain model, no weights of anybody's own."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from fedrec.models.losses import (
    binary_losses,
    gbce_beta,
    sampled_softmax_losses,
    softmax_losses,
)
from fedrec.models.recommender import Recommender
from fedrec.training.cohort_loss import CohortLoss, states_of
from fedrec.training.groups import GroupStep


def joint_gradient(
    model: Recommender, step: GroupStep, needed: Tensor, unknown: Tensor | None, loss: CohortLoss
) -> tuple[Mapping[str, Tensor], Tensor]:
    """The gradient of the users' weighted mean losses by parameter name, and each mean (U,).

    Args:
        model: holds the weights of all.
        step: of U users, whose rows lie in ``needed``.
        needed: (R,) item numbers that the step reads, 0 first.
        unknown: (R,) items shown without their identity, or none.
        loss: which one.
    """
    table = model.look_up(needed, unknown)
    vectors = model.output_vectors(table)
    states = states_of(model, table, step)
    # Padding is read, which costs little, but meets no candidates.
    real = step.is_real.reshape(-1).nonzero()[:, 0]
    losses = _losses(states.flatten(0, 1)[real], vectors, step, real, loss)
    weights = step.emphasis.reshape(-1)[real]
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    gradients = torch.autograd.grad((losses * weights).sum(), list(trained.values()))
    users = real // step.is_real.shape[1]
    sums = torch.zeros_like(step.counts).index_add_(0, users, losses.detach())
    return dict(zip(trained, gradients, strict=True)), sums / step.counts


def _losses(
    states: Tensor, vectors: Tensor, step: GroupStep, real: Tensor, loss: CohortLoss
) -> Tensor:
    """The losses (M,) of the real targets, whose states are (M, D)."""
    targets, weights = step.targets.reshape(-1)[real], step.emphasis.reshape(-1)[real]
    if loss.name == "softmax":  # every row is held, item by item; row 0 is padding
        return softmax_losses(states, vectors[1:], targets - 1, weights)
    positives = vectors[targets]
    if step.negatives is None:
        raise ValueError(f"{loss.name} without negatives")
    if step.refused is not None:
        ratio = math.log(loss.num_items / loss.negatives) if loss.log_q else 0.0
        refused = step.refused[real // step.is_real.shape[1]]
        negatives = vectors[step.negatives[0]]
        return sampled_softmax_losses(states, positives, negatives, refused, ratio, weights)
    beta = 1.0
    if loss.name == "gbce":
        beta = gbce_beta(loss.num_items, loss.negatives, loss.calibration)
    own = step.negatives.flatten(0, 1)[real]
    return binary_losses(states, positives, vectors[own], beta=beta)
