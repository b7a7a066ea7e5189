"""Losses by name: those of fedrec, or a user's own function as "package.module:name".

A user's own loss is a function of the scores of N targets (N,) and of the K negatives drawn for
each of them (N, K), as tensors; it returns the N losses (N,), of which training takes the mean::

    def hinge(targets, negatives):
        return (1 - targets.unsqueeze(-1) + negatives).clamp(min=0).mean(dim=-1)

Each loss depends on its own row only: the rows of many users lie in one tensor, and nothing of
one user may reach another's gradient. It is finite for finite scores. A mean below 0 is reported
as 0, and a user whose mean is above ``fedrec.training.updates.bounds.LARGEST_LOSS`` is excluded.
It serves partitions, one-user clients and the centralised baseline alike. Models that cannot be
stacked are trained through ``torch.vmap``, under which it must not branch on values.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from fedrec.config.failures import user_code_failures
from fedrec.config.values.import_strings import import_callable
from fedrec.errors import ConfigError
from fedrec.models.losses import LOSSES, LossFunction, LossOptions, loss_from_scores

NUM_TARGETS, NUM_NEGATIVES = 5, 3  # of the scores that a loss is tried on


def find_loss(name: str) -> Callable[[LossOptions], LossFunction]:
    """The loss of a name, for any catalogue.

    Args:
        name: One of ``LOSSES``, or "package.module:name" of a user's own function.

    Raises:
        ConfigError: No such name; or a function that is no loss (see ``check_loss``).
    """
    if name in LOSSES:
        return LOSSES[name]
    return partial(loss_from_scores, _own_loss(name))


@lru_cache(maxsize=16)
def _own_loss(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """A user's own function, imported and tried once per process."""
    found: Callable[[Tensor, Tensor], Tensor] = import_callable("loss.name", name)
    check_loss(name, found)
    return found


def check_loss(name: str, loss: Callable[[Tensor, Tensor], Any]) -> None:
    """Try a user's own loss on a few scores.

    Args:
        name: What the config calls it, for the message.
        loss: From scores of targets (N,) and of their negatives (N, K) to losses (N,).

    Raises:
        ConfigError: It fails or returns no tensor (N,) of finite numbers; has no
            finite gradient; or the loss of a target depends on another target's scores.
    """
    # Padding scores 0 against 0: the first row.
    rows = torch.arange(NUM_TARGETS, dtype=torch.float32)
    columns = torch.arange(NUM_NEGATIVES, dtype=torch.float32)
    targets = (1.5 * rows * (-1) ** rows).requires_grad_()
    negatives = (0.7 * rows[:, None] * (columns - 1)).requires_grad_()
    what = (
        f"loss.name {name!r} failed on the scores of {NUM_TARGETS} targets (N,) and of "
        f"{NUM_NEGATIVES} negatives each (N, K)"
    )
    with user_code_failures(what), torch.enable_grad():
        losses = loss(targets, negatives)
    if not isinstance(losses, Tensor) or losses.shape != targets.shape:
        seen = tuple(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
        raise ConfigError(
            f"loss.name {name!r} must return one loss per target, a tensor of shape "
            f"({NUM_TARGETS},), got {seen}"
        )
    if not bool(losses.isfinite().all()):
        raise ConfigError(f"loss.name {name!r} must be finite for finite scores, got {losses!r}")
    _check_gradients(name, losses, targets, negatives)


def _check_gradients(name: str, losses: Tensor, targets: Tensor, negatives: Tensor) -> None:
    """Refuse a loss without a finite gradient, or one that mixes targets."""
    for row in range(NUM_TARGETS):
        gradients = (
            torch.autograd.grad(
                losses[row], (targets, negatives), retain_graph=True, allow_unused=True
            )
            if losses.requires_grad
            else ()
        )
        found = [gradient for gradient in gradients if gradient is not None]
        if not found:
            raise ConfigError(
                f"loss.name {name!r} must be differentiable in the scores; it detaches them"
            )
        if not all(bool(gradient.isfinite().all()) for gradient in found):
            raise ConfigError(f"loss.name {name!r} must have finite gradients, got NaN or infinity")
        others = torch.arange(NUM_TARGETS) != row
        if any(bool(gradient[others].any()) for gradient in found):
            raise ConfigError(
                f"loss.name {name!r} must give each target a loss of its own scores alone; that of "
                f"target {row} depends on another's (is a mean or a norm taken over the batch?)"
            )
