"""Weighted sum of users' updates: clipping, bounds, quantization, and what a cohort sends."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedrec.models.recommender import Recommender
from fedrec.randomness import generator
from fedrec.training.cohort.plan import CohortPlan
from fedrec.training.cohort.user_weights import UserWeights
from fedrec.training.updates.bounds import LARGEST_LOSS, largest_norm
from fedrec.training.updates.quantization import quantize
from fedrec.training.windows import Ints, UserWindows

Floats = NDArray[np.float64]
UserGroup = Sequence[UserWindows]


@dataclass(frozen=True, kw_only=True)
class CohortUpdate:
    """Update of a cohort: the sum of its users' updates, and figures of each user.

    Attributes:
        total: Parameter name -> float64 sum over users of weight times update.
        weight: Sum of the weights.
        users: (U,) Users whose update is in the sum, in order of number.
        losses: (U,) Mean loss over the targets of all steps.
        targets: (U,) Targets of one pass over the windows that the plan reads.
        trained: (U,) Targets of all steps.
        norms: (U,) Norm of the update before clipping; NaN where one gradient did for all.
        rows: (U,) Items whose rows the user's training read: what a device would be sent.
        row_weights: (V + 1,) Weight of the users whose training read each item's row.
        excluded: (X,) Users whose update or loss is not finite, or out of all bounds.
        too_large: (X,) Those of them that are finite.
        excluded_rows: (X,) Items whose rows their training read.
        idle: Users without a target.
    """

    total: dict[str, NDArray[np.float64]]
    weight: float
    users: Ints
    losses: Floats
    targets: Ints
    trained: Ints
    norms: Floats
    rows: Ints
    row_weights: Floats
    excluded: Ints
    too_large: NDArray[np.bool_]
    excluded_rows: Ints
    idle: Ints


@dataclass(frozen=True, order=True, kw_only=True)
class _Done:
    """A user whose update is in the sum; the fields are those of ``CohortUpdate``."""

    user: int
    loss: float
    targets: int
    trained: int
    norm: float
    rows: int


class CohortSum:
    """Sum of updates in float64, group by group, and who is in it.

    Args:
        model: Model whose parameters give names and shapes.
        plan: Weighting, clipping and quantization of updates.
        num_items: V.
        seed: Seed of the run.
        round: Number of the round, from 1.
    """

    def __init__(
        self, model: Recommender, plan: CohortPlan, num_items: int, *, seed: int, round: int
    ) -> None:
        self.plan, self.seed, self.round = plan, seed, round
        trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        sizes = [parameter.numel() for parameter in trained.values()]
        # All sums one behind the other; those by name are views of them.
        device = next(iter(trained.values())).device
        self.flat = torch.zeros(sum(sizes), dtype=torch.float64, device=device)
        self.total = {
            name: part.view(parameter.shape)
            for (name, parameter), part in zip(
                trained.items(), torch.split(self.flat, sizes), strict=True
            )
        }
        self.row_weights = np.zeros(num_items + 1)
        self.done: list[_Done] = []
        self.excluded: list[tuple[int, bool, int]] = []  # user, whether it is finite, rows
        parameters = dict(model.named_parameters())
        self.largest = largest_norm(
            (parameters[name].detach().cpu().numpy() for name in self.total), plan.outlier_limit
        )

    def add_gradient(
        self, groups: Sequence[tuple[UserGroup, Tensor]], gradient: Mapping[str, Tensor]
    ) -> bool:
        """Add one step along a summed gradient.

        False, and nothing added, if a user of the groups may have to be left out. How long each
        user's update is, the sum does not say. One beyond the bound makes the sum longer than half
        of the lightest user's bound, unless the others together pull as far against it.

        Args:
            groups: Users, and the mean loss (U,) of each.
            gradient: Gradient of the sum of their weighted mean losses, by parameter name.
        """
        shares = self.plan.shares([one.num_targets for group, _ in groups for one in group])
        norm = self.plan.learning_rate * float(_norms(gradient.values(), sets=1))
        is_fine = norm <= min(shares) * self.largest / 2  # NaN is beyond any bound
        if not is_fine or not all(bool((means.abs() <= LARGEST_LOSS).all()) for _, means in groups):
            return False
        for name, part in gradient.items():
            self.total[name].sub_(part, alpha=self.plan.learning_rate)
        return True

    def note(
        self, group: UserGroup, losses: Tensor, trained: Sequence[int], rows: Sequence[Ints]
    ) -> None:
        """Note whose summed gradient was added; the arguments are those of ``add_own``."""
        for one, loss, count, read in zip(group, losses.tolist(), trained, rows, strict=True):
            self._note(one, loss, float("nan"), count, read)

    def takes(
        self,
        one: UserWindows,
        update: Tensor,
        loss: float,
        norm: float,
        trained: int,
        read: Ints,
    ) -> bool:
        """Note whether the update of a user is within the bounds, and so to be added.

        Args:
            one: The user.
            update: Its update, or a multiple of it.
            loss: Its mean loss.
            norm: Norm of its update before clipping.
            trained: Its targets, in all steps.
            read: Items whose rows it read.
        """
        is_fine = norm <= self.largest and abs(loss) <= LARGEST_LOSS  # NaN is beyond any bound
        if is_fine:
            self._note(one, loss, norm, trained, read)
        else:
            is_finite = math.isfinite(loss) and bool(update.isfinite().all())
            self.excluded.append((one.user, is_finite, len(read)))
        return is_fine

    def add_own(
        self,
        group: UserGroup,
        weights: UserWeights,
        updates: dict[str, Tensor],
        losses: Tensor,
        trained: Sequence[int],
        rows: Sequence[Ints],
    ) -> None:
        """Clip each user's update and add those within the bounds; the arrays may be changed.

        Args:
            group: U users.
            weights: A set for each of them.
            updates: Updates of these sets.
            losses: (U,) Mean loss of each.
            trained: Targets of each, in all steps.
            rows: Items whose rows each one read.
        """
        norms = _norms(updates.values(), sets=len(group))
        shares = torch.tensor(self.plan.shares([one.num_targets for one in group])).to(norms)
        if self.plan.clip_norm > 0:
            shares = shares * (self.plan.clip_norm / norms).clamp(max=1)
        # NaN is beyond any bound.
        is_used = ((norms <= self.largest) & (losses.abs() <= LARGEST_LOSS)).tolist()
        for place in (place for place, is_fine in enumerate(is_used) if not is_fine):
            own = [update.view(len(group), -1)[place] for update in updates.values()]
            is_finite = all(bool(part.isfinite().all()) for part in (losses[place], *own))
            self.excluded.append((group[place].user, is_finite, len(rows[place])))
            shares[place] = 0
            for part in own:
                part.zero_()  # 0 times NaN is NaN
        self._add(weights, self._sent(group, weights, updates), shares)
        facts = (group, losses.tolist(), norms.tolist(), trained, rows, is_used)
        for one, loss, norm, count, read, is_fine in zip(*facts, strict=True):
            if is_fine:
                self._note(one, loss, norm, count, read)

    def _note(self, one: UserWindows, loss: float, norm: float, trained: int, read: Ints) -> None:
        self.done.append(
            _Done(
                user=one.user,
                loss=loss,
                targets=one.num_targets,
                trained=trained,
                norm=norm,
                rows=len(read),
            )
        )
        self.row_weights[read] += 1 if self.plan.weighting == "uniform" else one.num_targets

    def _sent(
        self, group: UserGroup, weights: UserWeights, updates: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """What arrives of the users' updates; the scale of rounding takes clipping's factor along.

        A user's rows alone are drawn for: the padding behind them depends on the group.
        """
        if self.plan.upload == "float32":
            return updates
        counts = (weights.needed.count_nonzero(dim=1) + 1).tolist()
        each = {
            name: update.view(len(group), -1, *update.shape[1:]) if name in weights.rows else update
            for name, update in updates.items()
        }
        for place, one in enumerate(group):
            stream = generator(self.seed, "upload", self.round, one.user)
            for name, update in each.items():
                own = update[place, : counts[place]] if name in weights.rows else update[place]
                quantize(own, self.plan.upload, stream)
        return updates

    def _add(self, weights: UserWeights, updates: dict[str, Tensor], shares: Tensor) -> None:
        """Add updates of S weight sets, each times its share (S,)."""
        for name, update in updates.items():
            if name in weights.rows:
                own = update.view(weights.sets, -1, *update.shape[1:])
                scaled = own.mul_(shares.view(-1, *[1] * (own.ndim - 1)))  # nobody needs it again
                # A group is summed in its own precision: its rows are many more than the items.
                summed = torch.zeros_like(self.total[name], dtype=update.dtype)
                summed.index_add_(0, weights.needed.reshape(-1), scaled.reshape(update.shape))
                self.total[name] += summed
            else:
                self.total[name] += torch.tensordot(shares, update, dims=1)

    def update(self, idle: Ints) -> CohortUpdate:
        """The update of all groups together."""
        done, excluded = sorted(self.done), sorted(self.excluded)
        is_uniform = self.plan.weighting == "uniform"

        def each(name: str) -> list[Any]:
            return [getattr(one, name) for one in done]

        return CohortUpdate(
            total={name: array.cpu().numpy() for name, array in self.total.items()},
            weight=float(len(done) if is_uniform else sum(each("targets"))),
            users=np.array(each("user"), dtype=np.int64),
            losses=np.array(each("loss"), dtype=np.float64),
            targets=np.array(each("targets"), dtype=np.int64),
            trained=np.array(each("trained"), dtype=np.int64),
            norms=np.array(each("norm"), dtype=np.float64),
            rows=np.array(each("rows"), dtype=np.int64),
            row_weights=self.row_weights,
            excluded=np.array([user for user, _, _ in excluded], dtype=np.int64),
            too_large=np.array([is_finite for _, is_finite, _ in excluded], dtype=np.bool_),
            excluded_rows=np.array([rows for _, _, rows in excluded], dtype=np.int64),
            idle=np.sort(idle),
        )


def _norms(arrays: Iterable[Tensor], sets: int) -> Tensor:
    """(S,) Euclidean length of the arrays (S * n, ...) of each of S sets together."""
    each = [torch.linalg.vector_norm(array.reshape(sets, -1), dim=1) for array in arrays]
    return torch.stack(each).square().sum(dim=0).sqrt()
