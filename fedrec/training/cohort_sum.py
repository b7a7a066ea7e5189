"""The weighted sum of users' updates while it grows, and what a cohort sends in the end."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedrec.models.recommender import Recommender
from fedrec.training.cohort_plan import CohortPlan
from fedrec.training.side_by_side import Weights
from fedrec.training.windows import Ints, UserWindows

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CohortUpdate:
    """What a cohort sends.

    Attributes:
        total: parameter name -> float64 sum over users of weight times update.
        weight: sum of the weights.
        users: (U,) users whose update is in the sum, in order of number.
        losses: (U,) mean loss over the targets of all steps.
        targets: (U,) targets of one pass over the windows that the plan reads.
        norms: (U,) norm of the update before clipping; NaN where one gradient did for all.
        left_out: users whose update is not finite.
        idle: users without a target.
    """

    total: dict[str, NDArray[np.float64]]
    weight: float
    users: Ints
    losses: Floats
    targets: Ints
    norms: Floats
    left_out: Ints
    idle: Ints


class CohortSum:
    """Sum of updates in float64, group by group, and who is in it.

    Args:
        model: names and shapes what it sums.
        plan: how users are weighed and clipped.
    """

    def __init__(self, model: Recommender, plan: CohortPlan) -> None:
        self.plan = plan
        self.total = {
            name: torch.zeros_like(parameter, dtype=torch.float64)
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }
        self.done: list[tuple[int, float, int, float]] = []  # user, loss, targets, norm
        self.left_out: list[int] = []

    def shares(self, group: Sequence[UserWindows]) -> list[float]:
        """Weight of each user of a group in the sum."""
        if self.plan.weighting == "uniform":
            return [1.0] * len(group)
        return [float(one.num_targets) for one in group]

    def add_joint(
        self,
        group: Sequence[UserWindows],
        weights: Weights,
        updates: dict[str, Tensor],
        losses: Tensor,
    ) -> bool:
        """Add a sum over the group; false, and nothing added, if it is not finite."""
        if not all(bool(update.isfinite().all()) for update in updates.values()):
            return False
        self._add(weights, updates, torch.ones(1).to(losses))
        for one, loss in zip(group, losses.tolist(), strict=True):
            self.done.append((one.user, loss, one.num_targets, float("nan")))
        return True

    def add_own(
        self,
        group: Sequence[UserWindows],
        weights: Weights,
        updates: dict[str, Tensor],
        losses: Tensor,
    ) -> None:
        """Clip each user's update and add those that are finite."""
        own = [update.view(len(group), -1) for update in updates.values()]
        norms = torch.stack([torch.linalg.vector_norm(part, dim=1) for part in own]).norm(dim=0)
        shares = torch.tensor(self.shares(group)).to(norms)
        if self.plan.clip_norm > 0:
            shares = shares * (self.plan.clip_norm / norms).clamp(max=1)
        is_finite = norms.isfinite() & losses.isfinite()
        if not bool(is_finite.all()):
            shares[~is_finite] = 0
            for part in own:
                part[~is_finite] = 0  # 0 times NaN is NaN
        self._add(weights, updates, shares)
        facts = zip(group, losses.tolist(), norms.tolist(), is_finite.tolist(), strict=True)
        for one, loss, norm, is_fine in facts:
            if is_fine:
                self.done.append((one.user, loss, one.num_targets, norm))
            else:
                self.left_out.append(one.user)

    def _add(self, weights: Weights, updates: dict[str, Tensor], shares: Tensor) -> None:
        """Add updates of S weight sets, each times its share (S,)."""
        for name, update in updates.items():
            if name in weights.rows:
                own = update.view(weights.sets, -1, *update.shape[1:])
                scaled = own * shares.view(-1, *[1] * (own.ndim - 1))
                # A group is summed in its own precision: its rows are many more than the items.
                joint = torch.zeros_like(self.total[name], dtype=update.dtype)
                joint.index_add_(0, weights.needed.reshape(-1), scaled.reshape(update.shape))
                self.total[name] += joint
            else:
                self.total[name] += torch.tensordot(shares, update, dims=1)

    def update(self, idle: Ints) -> CohortUpdate:
        """What came of all groups."""
        done = sorted(self.done)
        users, losses, targets, norms = zip(*done, strict=True) if done else ((), (), (), ())
        is_uniform = self.plan.weighting == "uniform"
        return CohortUpdate(
            total={name: array.cpu().numpy() for name, array in self.total.items()},
            weight=float(len(users) if is_uniform else sum(targets)),
            users=np.array(users, dtype=np.int64),
            losses=np.array(losses, dtype=np.float64),
            targets=np.array(targets, dtype=np.int64),
            norms=np.array(norms, dtype=np.float64),
            left_out=np.array(sorted(self.left_out), dtype=np.int64),
            idle=np.sort(idle),
        )
