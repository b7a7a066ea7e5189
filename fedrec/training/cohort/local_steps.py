"""Local optimiser steps of a group of users, each on weights of its own."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fedrec.training.cohort.groups.batches import GroupStep
from fedrec.training.cohort.plan import CohortPlan
from fedrec.training.cohort.user_weights import Forward, UserWeights

Unknown = Callable[[int], Tensor | None]  # step -> (S * R,) items without their identity, or none
# Steps done, then for each user (U,) the sum of its losses so far and its targets so far.
AfterStep = Callable[[int, Tensor, Tensor], None]


def local_updates(
    forward: Forward,
    weights: UserWeights,
    steps: Sequence[GroupStep],
    unknown: Unknown,
    *,
    plan: CohortPlan,
    after: AfterStep | None = None,
) -> tuple[dict[str, Tensor], Tensor]:
    """Each user's update after all steps, and their mean losses (U,) over all targets.

    Args:
        forward: Function that gives the loss of each target.
        weights: A set for each user; trained in place.
        steps: Steps of the group.
        unknown: Items without their identity in a step.
        plan: Optimiser, rate and pulls.
        after: Function called before the first step and after each.
    """
    starts = [weights.start[name] for name in weights.trained]
    optimizer = None
    if plan.optimizer != "sgd":
        own = {name: array.detach().clone() for name, array in weights.trained.items()}
        weights.trained.update({name: array.requires_grad_() for name, array in own.items()})
        optimizer = _adam(plan, list(weights.trained.values()))
    summed = torch.zeros_like(steps[0].counts)
    counted = torch.zeros_like(summed)
    if after is not None:
        after(0, summed, counted)
    for number, step in enumerate(steps):
        arrays = list(weights.trained.values())
        losses = forward(weights, step, unknown(number)) * step.is_real
        means = losses.sum(dim=1) / step.counts
        # Users are independent: the gradient of the sum holds each user's own gradient.
        gradients = torch.autograd.grad((losses * step.emphasis).sum(), arrays)
        if optimizer is None:
            arrays = _descend(arrays, gradients, starts, plan, is_first=number == 0)
            weights.trained.update(zip(weights.trained, arrays, strict=True))
        else:
            _follow(optimizer, arrays, gradients, starts, plan.proximal_mu)
        summed += (means * step.counts).detach()
        counted += step.counts
        if after is not None:
            after(number + 1, summed, counted)
    # Nothing looks at the weights any more, so that updates may take their place.
    updates = {
        name: array.detach().sub_(weights.start[name]) for name, array in weights.trained.items()
    }
    return updates, summed / counted


def _descend(
    arrays: Sequence[Tensor],
    gradients: Sequence[Tensor],
    starts: Sequence[Tensor],
    plan: CohortPlan,
    *,
    is_first: bool,
) -> list[Tensor]:
    """The weights after a step of plain SGD; a sparse gradient costs what it holds.

    The first step makes each set's own weights, the others change them in place.
    """
    rate, after = plan.learning_rate, []
    # w - rate * (g + decay * w + mu * (w - start)), the two pulls first.
    rest = 1 - rate * (plan.weight_decay + plan.proximal_mu)
    with torch.no_grad():
        for array, gradient, start in zip(arrays, gradients, starts, strict=True):
            if is_first:
                whole = start if plan.weight_decay == 0 else start * (1 - rate * plan.weight_decay)
                if gradient.is_sparse:
                    array = whole.clone().add_(gradient, alpha=-rate)
                else:
                    array = torch.add(whole, gradient, alpha=-rate)
            else:
                if rest != 1:
                    array.mul_(rest).add_(start, alpha=rate * plan.proximal_mu)
                array.add_(gradient, alpha=-rate)
            after.append(array.requires_grad_())
    return after


def _follow(
    optimizer: torch.optim.Optimizer,
    arrays: Sequence[Tensor],
    gradients: Sequence[Tensor],
    starts: Sequence[Tensor],
    mu: float,
) -> None:
    """A step of an optimiser of torch."""
    for array, gradient, start in zip(arrays, gradients, starts, strict=True):
        # Fused optimisers take a gradient to be dense and to lie in memory as its parameter does.
        array.grad = (gradient.to_dense() if gradient.is_sparse else gradient).contiguous()
        if mu > 0:
            array.grad.add_(array.detach() - start, alpha=mu)
    optimizer.step()


def _adam(plan: CohortPlan, arrays: list[Tensor]) -> torch.optim.Optimizer:
    """Adam without state; component by component, so that users do not meet in it."""
    kind = torch.optim.AdamW if plan.optimizer == "adamw" else torch.optim.Adam
    return kind(
        arrays,
        lr=plan.learning_rate,
        betas=(plan.beta_1, plan.beta_2),
        eps=plan.epsilon,
        weight_decay=plan.weight_decay,
        fused=True,
    )
