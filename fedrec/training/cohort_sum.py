"""The weighted sum of users' updates while it grows, and what a cohort sends in the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedrec.models.recommender import Recommender
from fedrec.training.cohort_plan import CohortPlan
from fedrec.training.rounding import rounded
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
        rows: (U,) items whose rows the user's training read: what a device would be sent.
        touched: (V + 1,) weight of the users whose training read each item's row.
        left_out: users whose update is not finite.
        idle: users without a target.
    """

    total: dict[str, NDArray[np.float64]]
    weight: float
    users: Ints
    losses: Floats
    targets: Ints
    norms: Floats
    rows: Ints
    touched: Floats
    left_out: Ints
    idle: Ints


class CohortSum:
    """Sum of updates in float64, group by group, and who is in it.

    Args:
        model: names and shapes what it sums.
        plan: how users are weighed and clipped, and what they send.
        num_items: V.
        seed: of the run.
        round: from 1.
    """

    def __init__(
        self, model: Recommender, plan: CohortPlan, num_items: int, *, seed: int, round: int
    ) -> None:
        self.plan, self.seed, self.round = plan, seed, round
        self.total = {
            name: torch.zeros_like(parameter, dtype=torch.float64)
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }
        self.touched = np.zeros(num_items + 1)
        self.done: list[tuple[int, float, int, float, int]] = []  # user, loss, targets, norm, rows
        self.left_out: list[int] = []

    def add_gradient(self, gradient: Mapping[str, Tensor]) -> bool:
        """Add one step along a joint gradient; false, and nothing added, if it is not finite."""
        if not all(bool(part.isfinite().all()) for part in gradient.values()):
            return False
        for name, part in gradient.items():
            self.total[name].sub_(part, alpha=self.plan.learning_rate)
        return True

    def note(self, group: Sequence[UserWindows], losses: Tensor, rows: Sequence[Ints]) -> None:
        """Note whose joint gradient was added."""
        for one, loss, read in zip(group, losses.tolist(), rows, strict=True):
            self._note(one, loss, float("nan"), read)

    def add_own(
        self,
        group: Sequence[UserWindows],
        weights: Weights,
        updates: dict[str, Tensor],
        losses: Tensor,
        rows: Sequence[Ints],
    ) -> None:
        """Clip each user's update and add those that are finite."""
        own = [update.view(len(group), -1) for update in updates.values()]
        norms = torch.stack([torch.linalg.vector_norm(part, dim=1) for part in own]).norm(dim=0)
        shares = torch.tensor(self.plan.shares([one.num_targets for one in group])).to(norms)
        if self.plan.clip_norm > 0:
            shares = shares * (self.plan.clip_norm / norms).clamp(max=1)
        is_finite = norms.isfinite() & losses.isfinite()
        if not bool(is_finite.all()):
            shares[~is_finite] = 0
            for part in own:
                part[~is_finite] = 0  # 0 times NaN is NaN
        self._add(weights, self._sent(group, weights, updates), shares)
        facts = (group, losses.tolist(), norms.tolist(), rows, is_finite.tolist())
        for one, loss, norm, read, is_fine in zip(*facts, strict=True):
            if is_fine:
                self._note(one, loss, norm, read)
            else:
                self.left_out.append(one.user)

    def _note(self, one: UserWindows, loss: float, norm: float, read: Ints) -> None:
        self.done.append((one.user, loss, one.num_targets, norm, len(read)))
        self.touched[read] += 1 if self.plan.weighting == "uniform" else one.num_targets

    def _sent(
        self, group: Sequence[UserWindows], weights: Weights, updates: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """What arrives of the users' updates; the scale of rounding takes clipping's factor along.

        A user's rows are drawn at their own number: the padding behind them depends on the group.
        """
        if self.plan.upload == "float32":
            return updates
        counts = [int(row.count_nonzero()) + 1 for row in weights.needed]
        arrived = {}
        for name, update in updates.items():
            each = (
                update.view(len(group), -1, *update.shape[1:]).clone()
                if (name in weights.rows)
                else update.clone()
            )
            for place, one in enumerate(group):
                own = each[place, : counts[place]] if name in weights.rows else each[place]
                own.copy_(
                    rounded(
                        own, self.plan.upload, one.user, path=(self.round, name), seed=self.seed
                    )
                )
            arrived[name] = each.view(update.shape)
        return arrived

    def _add(self, weights: Weights, updates: dict[str, Tensor], shares: Tensor) -> None:
        """Add updates of S weight sets, each times its share (S,)."""
        for name, update in updates.items():
            if name in weights.rows:
                own = update.view(weights.sets, -1, *update.shape[1:])
                scaled = own.mul_(shares.view(-1, *[1] * (own.ndim - 1)))  # nobody needs it again
                # A group is summed in its own precision: its rows are many more than the items.
                joint = torch.zeros_like(self.total[name], dtype=update.dtype)
                joint.index_add_(0, weights.needed.reshape(-1), scaled.reshape(update.shape))
                self.total[name] += joint
            else:
                self.total[name] += torch.tensordot(shares, update, dims=1)

    def update(self, idle: Ints) -> CohortUpdate:
        """What came of all groups."""
        done = sorted(self.done)
        users, losses, targets, norms, rows = zip(*done, strict=True) if done else ((),) * 5
        is_uniform = self.plan.weighting == "uniform"
        return CohortUpdate(
            total={name: array.cpu().numpy() for name, array in self.total.items()},
            weight=float(len(users) if is_uniform else sum(targets)),
            users=np.array(users, dtype=np.int64),
            losses=np.array(losses, dtype=np.float64),
            targets=np.array(targets, dtype=np.int64),
            norms=np.array(norms, dtype=np.float64),
            rows=np.array(rows, dtype=np.int64),
            touched=self.touched,
            left_out=np.array(sorted(self.left_out), dtype=np.int64),
            idle=np.sort(idle),
        )
