"""Many one-user clients trained in one call: the weighted sum of their updates.

Each user is a client of its own: it starts from the global weights, takes a few local steps over
its windows and sends the difference. Here the users of a cohort go side by side, in groups alike
in length. One plain gradient step needs no weights of its own: the weighted sum of the users'
updates is the gradient of the weighted sum of their mean losses. Several steps train a copy of
the weights per user, where item rows are copied only if the user's training reads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedrec.data.negatives import shared_negatives
from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError
from fedrec.models.recommender import Recommender, device_of
from fedrec.randomness import generator
from fedrec.training.batches import MIN_TRAINING_EVENTS
from fedrec.training.cohort_loss import CohortLoss
from fedrec.training.groups import GroupStep, Rows, all_rows, group_step, touched_rows
from fedrec.training.side_by_side import Forward, Weights, copied_weights, make_forward
from fedrec.training.windows import Ints, UserWindows, groups_by_length, user_steps, windows_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CohortPlan:
    """What each user does in a round; equal for all.

    Attributes:
        steps: local optimiser steps.
        learning_rate: of the steps.
        optimizer: sgd, adam or adamw; its state starts afresh each round.
        beta_2: of adam and adamw.
        weight_decay: of the optimiser.
        max_length: L, longest window.
        newest_windows: how many windows of the history are read, the newest; 0 for all.
        batch_size: windows in a step; 0 for all of them.
        dropout: p of the masks.
        identity_dropout: share of items shown without their identity.
        proximal_mu: weight of the FedProx term; 0 is FedAvg.
        clip_norm: bound on the norm of a user's update; 0 for none.
        weighting: "targets", a user's number of targets, or "uniform", 1.
        group_tokens: targets of a group, padding included. The order of float sums hangs on it,
            so it is a setting and never measured.
    """

    steps: int
    learning_rate: float
    optimizer: str = "sgd"
    beta_2: float = 0.999
    weight_decay: float = 0.0
    max_length: int
    newest_windows: int = 0
    batch_size: int = 0
    dropout: float = 0.0
    identity_dropout: float = 0.0
    proximal_mu: float = 0.0
    clip_norm: float = 0.0
    weighting: str = "targets"
    group_tokens: int = 4096

    @property
    def is_one_gradient(self) -> bool:
        """Whether the sum of updates is a gradient; the FedProx pull is 0 where it starts."""
        return (
            self.steps == 1
            and self.optimizer == "sgd"
            and self.weight_decay == 0
            and self.clip_norm == 0
        )


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


def train_cohort(
    model: Recommender,
    training: Sequences,
    users: Ints,
    *,
    plan: CohortPlan,
    loss: CohortLoss,
    seed: int,
    round: int,
) -> CohortUpdate:
    """Train each user from the model's weights, which stay as they are; sum up the updates.

    A pure function of weights, users, seed and round: neither the order of ``users`` nor who is
    in another call changes a user's update; the order changes no bit of the sum.

    Args:
        model: holds the global weights.
        training: training parts of all users; only ``users`` are read.
        users: (U,) distinct global numbers.
        plan: what each does.
        loss: what each minimises.
        seed: of the run.
        round: from 1.

    Raises:
        ConfigError: an unknown optimiser, or a user from whose items no negative is left.
    """
    lengths = training.lengths()[users]
    windows = [
        windows_of(int(user), training.of(int(user)), plan.max_length, plan.newest_windows)
        for user in users[lengths >= MIN_TRAINING_EVENTS]
    ]
    shared = [
        shared_negatives(seed, round, step, loss.num_items, loss.shared_negatives)
        for step in range(plan.steps if loss.shared_negatives else 0)
    ]
    cohort = _Cohort(model, plan, loss, seed, round, shared, make_forward(model, loss))
    for group in groups_by_length(windows, plan.max_length, plan.group_tokens):
        cohort.add(group)
    return cohort.update(users[lengths < MIN_TRAINING_EVENTS])


class _Cohort:
    """The sum of updates while it grows, group by group."""

    def __init__(
        self,
        model: Recommender,
        plan: CohortPlan,
        loss: CohortLoss,
        seed: int,
        round: int,
        shared: Sequence[Ints],
        forward: Forward,
    ) -> None:
        self.model, self.plan, self.loss = model, plan, loss
        self.seed, self.round, self.shared, self.forward = seed, round, shared, forward
        self.device = device_of(model)
        self.dtype = next(model.parameters()).dtype
        with torch.no_grad():
            one = model.look_up(torch.zeros(1, dtype=torch.long, device=self.device))
        self.width = one.views.shape[-1]
        self.total = {
            name: torch.zeros_like(parameter, dtype=torch.float64)
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }
        self.done: list[tuple[int, float, int, float]] = []  # user, loss, targets, norm
        self.left_out: list[int] = []

    def add(self, group: Sequence[UserWindows]) -> None:
        """Train the users of a group and add their updates to the sum."""
        drawn = [
            user_steps(
                one,
                steps=self.plan.steps,
                batch_size=self.plan.batch_size,
                own_negatives=self.loss.own_negatives,
                num_items=self.loss.num_items,
                num_sites=self.model.num_dropout_sites,
                width=self.width,
                dropout=self.plan.dropout,
                seed=self.seed,
                round=self.round,
            )
            for one in group
        ]

        def laid(*, together: bool) -> tuple[Weights, list[GroupStep]]:
            if self.loss.name == "softmax" or self.plan.weight_decay > 0:
                rows = all_rows(len(group), self.loss.num_items, together=together)
            else:
                rows = touched_rows(
                    drawn, self.shared, self.loss.num_items, together=together
                )
            needed = torch.from_numpy(rows.needed).to(self.device)
            return copied_weights(self.model, needed), self._steps(group, drawn, rows)

        if not (self.plan.is_one_gradient and self._add_gradient(group, *laid(together=True))):
            self._add_fits(group, *laid(together=False))

    def _steps(
        self, group: Sequence[UserWindows], drawn: Sequence[Sequence], rows: Rows
    ) -> list[GroupStep]:
        return [
            group_step(
                [steps[number] for steps in drawn],
                rows,
                max_length=self.plan.max_length,
                shared=self.shared[number] if self.shared else None,
                histories=[one.history for one in group],
                device=self.device,
                dtype=self.dtype,
            )
            for number in range(self.plan.steps)
        ]

    def _unknown(self, weights: Weights, step: int) -> Tensor | None:
        """(S * R,) items without their identity in a step, the same for all users."""
        if self.plan.identity_dropout == 0:
            return None
        stream = generator(self.seed, "identity", self.round, step)
        dropped = stream.random(self.loss.num_items + 1) < self.plan.identity_dropout
        return torch.from_numpy(dropped).to(self.device)[weights.needed.reshape(-1)]

    def _add_gradient(
        self, group: Sequence[UserWindows], weights: Weights, steps: Sequence[GroupStep]
    ) -> bool:
        """Add one joint gradient; false, and nothing added, if it is not finite."""
        step = steps[0]
        losses = self.forward(weights, step, self._unknown(weights, 0)) * step.is_real
        means = losses.sum(dim=1) / step.counts
        shares = torch.tensor([self._weight(one) for one in group]).to(means)
        gradients = torch.autograd.grad((means * shares).sum(), list(weights.trained.values()))
        updates = {
            name: (gradient.to_dense() if gradient.is_sparse else gradient)
            * -self.plan.learning_rate
            for name, gradient in zip(weights.trained, gradients, strict=True)
        }
        if not all(bool(update.isfinite().all()) for update in updates.values()):
            return False
        self._sum(weights, updates, torch.ones(1).to(means))
        for one, mean in zip(group, means.tolist(), strict=True):
            self.done.append((one.user, mean, one.num_targets, float("nan")))
        return True

    def _add_fits(
        self, group: Sequence[UserWindows], weights: Weights, steps: Sequence[GroupStep]
    ) -> None:
        """Train each user's own weights and add the differences of those that are finite."""
        arrays = list(weights.trained.values())
        starts = [weights.start[name] for name in weights.trained]
        optimizer = None if self.plan.optimizer == "sgd" else _adam(self.plan, arrays)
        summed = torch.zeros(len(group)).to(self.device, self.dtype)
        counted = torch.zeros_like(summed)
        for number, step in enumerate(steps):
            losses = self.forward(weights, step, self._unknown(weights, number)) * step.is_real
            means = losses.sum(dim=1) / step.counts
            gradients = torch.autograd.grad(means.sum(), arrays)
            if optimizer is None:
                _descend(arrays, gradients, starts, self.plan)
            else:
                _follow(optimizer, arrays, gradients, starts, self.plan.proximal_mu)
            summed += (means * step.counts).detach()
            counted += step.counts
        updates = {
            name: array.detach() - weights.start[name] for name, array in weights.trained.items()
        }
        self._add_updates(group, weights, updates, summed / counted)

    def _add_updates(
        self,
        group: Sequence[UserWindows],
        weights: Weights,
        updates: dict[str, Tensor],
        losses: Tensor,
    ) -> None:
        own = [update.view(len(group), -1) for update in updates.values()]
        norms = torch.stack([torch.linalg.vector_norm(part, dim=1) for part in own]).norm(dim=0)
        shares = torch.tensor([self._weight(one) for one in group]).to(norms)
        if self.plan.clip_norm > 0:
            shares = shares * (self.plan.clip_norm / norms).clamp(max=1)
        is_finite = norms.isfinite() & losses.isfinite()
        if not bool(is_finite.all()):
            shares[~is_finite] = 0
            for part in own:
                part[~is_finite] = 0  # 0 times NaN is NaN
        self._sum(weights, updates, shares)
        facts = zip(group, losses.tolist(), norms.tolist(), is_finite.tolist(), strict=True)
        for one, loss, norm, is_fine in facts:
            if is_fine:
                self.done.append((one.user, loss, one.num_targets, norm))
            else:
                self.left_out.append(one.user)

    def _sum(self, weights: Weights, updates: dict[str, Tensor], shares: Tensor) -> None:
        """Add updates of S weight sets, each times its share (S,)."""
        for name, update in updates.items():
            if name in weights.rows:
                own = update.view(weights.sets, -1, *update.shape[1:])
                scaled = own * shares.view(-1, *[1] * (own.ndim - 1))
                flat = scaled.reshape(update.shape).to(torch.float64)
                self.total[name].index_add_(0, weights.needed.reshape(-1), flat)
            else:
                self.total[name] += torch.tensordot(shares, update, dims=1)

    def _weight(self, one: UserWindows) -> float:
        return 1.0 if self.plan.weighting == "uniform" else float(one.num_targets)

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


def _descend(
    arrays: Sequence[Tensor], gradients: Sequence[Tensor], starts: Sequence[Tensor], plan: CohortPlan
) -> None:
    """A step of plain SGD; a sparse gradient costs what it holds."""
    with torch.no_grad():
        for array, gradient, start in zip(arrays, gradients, starts, strict=True):
            # w - rate * (g + decay * w + mu * (w - start)), the two pulls first.
            rest = 1 - plan.learning_rate * (plan.weight_decay + plan.proximal_mu)
            if rest != 1:
                array.mul_(rest).add_(start, alpha=plan.learning_rate * plan.proximal_mu)
            array.add_(gradient, alpha=-plan.learning_rate)


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
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    if plan.optimizer not in kinds:
        raise ConfigError(f"local.optimizer must be sgd, adam or adamw, got {plan.optimizer!r}")
    return kinds[plan.optimizer](
        arrays,
        lr=plan.learning_rate,
        betas=(0.9, plan.beta_2),
        weight_decay=plan.weight_decay,
        fused=True,
    )
