"""Summed gradient: one SGD step of many users by one gradient of the shared model."""

from collections.abc import Mapping

import torch
from torch import Tensor

from fedrec.models.recommender import Recommender
from fedrec.training.cohort.groups.batches import GroupStep
from fedrec.training.cohort.loss import CohortLoss, states_of


class SummedGradient:
    """The gradient of users' weighted mean losses while it grows, group by group.

    The items are looked up once for all groups, and once the gradient goes back through that:
    views made of wide features cost as much as a group's transformer.

    Args:
        model: Model that holds the weights of all users.
        needed: (R,) Item numbers that the groups read, 0 first.
        unknown: (R,) Items shown without their identity, or none.
        loss: Loss to compute.
    """

    def __init__(
        self, model: Recommender, needed: Tensor, unknown: Tensor | None, loss: CohortLoss
    ) -> None:
        self.model, self.loss = model, loss
        self._trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self._table = model.look_up(needed, unknown)
        self._vectors = model.output_vectors(self._table)
        self._leaves = [one.detach().requires_grad_() for one in (self._table.views, self._vectors)]
        arrays = [*self._leaves, *self._trained.values()]
        self._sums = [torch.zeros_like(array, requires_grad=False) for array in arrays]

    def add(self, step: GroupStep) -> Tensor | None:
        """Add U users; the mean loss (U,) of each, or none, and nothing added, if not finite."""
        views, vectors = self._leaves
        states = states_of(self.model, self._table._replace(views=views), step)
        # Padding is read, which costs little, but meets no candidates.
        real = step.is_real.reshape(-1).nonzero()[:, 0]
        losses = _losses(states.flatten(0, 1)[real], vectors, step, real, self.loss)
        weights = step.emphasis.reshape(-1)[real]
        arrays = [*self._leaves, *self._trained.values()]
        gradients = torch.autograd.grad((losses * weights).sum(), arrays, allow_unused=True)
        found = [
            (own, more) for own, more in zip(self._sums, gradients, strict=True) if more is not None
        ]
        # A sum is finite only if all of it is, and costs a fraction of a look at each number.
        sums = torch.stack([part.sum() for part in (losses.detach(), *(more for _, more in found))])
        if not bool(sums.isfinite().all()):
            return None
        for own, more in found:
            own.add_(more)
        users = real // step.is_real.shape[1]
        return torch.zeros_like(step.counts).index_add_(0, users, losses.detach()) / step.counts

    def total(self) -> Mapping[str, Tensor]:
        """The gradient by parameter name, of all that was added."""
        to_table, to_rest = self._sums[:2], self._sums[2:]
        outputs = [
            (out, to)
            for out, to in zip((self._table.views, self._vectors), to_table, strict=True)
            if out.requires_grad
        ]
        gradients = torch.autograd.grad(
            [out for out, _ in outputs],
            list(self._trained.values()),
            [to for _, to in outputs],
            allow_unused=True,
        )
        return {
            name: own if more is None else own.add_(more)
            for name, own, more in zip(self._trained, to_rest, gradients, strict=True)
        }


def _losses(
    states: Tensor, vectors: Tensor, step: GroupStep, real: Tensor, loss: CohortLoss
) -> Tensor:
    """The losses (M,) of the real targets, whose states are (M, D)."""
    targets, weights = step.targets.reshape(-1)[real], step.emphasis.reshape(-1)[real]
    kind, of_targets = loss.function.candidates, loss.function.of_targets
    if kind == "all":  # every row is held, item by item; row 0 is padding
        users = real // step.is_real.shape[1]
        return loss.against_all(
            states, vectors[1:], targets - 1, weights, refused=step.refused, users=users
        )
    positives = vectors[targets]
    if step.negatives is None:
        raise ValueError(f"{loss.name} without negatives")
    if kind == "own":
        return of_targets(states, positives, vectors[step.negatives.flatten(0, 1)[real]])
    drawn = step.negatives[0]
    if step.refused is None:
        refused = step.targets.reshape(-1)[real].unsqueeze(-1) == drawn
    else:
        refused = step.refused[real // step.is_real.shape[1]]
    negatives = vectors[drawn]
    return of_targets(states, positives, negatives, refused=refused, weights=weights)
