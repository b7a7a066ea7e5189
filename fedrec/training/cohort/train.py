"""Training of many one-user clients in one call: the weighted sum of their updates.

Each user is a client of its own: it starts from the global weights, takes a few local steps over
its windows and sends the difference. Here the users of a cohort go side by side, in groups alike
in length. One plain gradient step needs no weights of its own: the weighted sum of the users'
updates is the gradient of the weighted sum of their mean losses. Several steps train a copy of
the weights per user, where item rows are copied only if the user's training reads them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError
from fedrec.models.recommender import Recommender, device_of
from fedrec.randomness import generator
from fedrec.training.batches import MIN_TRAINING_EVENTS
from fedrec.training.cohort.groups.batches import GroupStep, group_step, redrawn
from fedrec.training.cohort.groups.grouping import (
    GROUP_COST,
    MAX_GROUP,
    SUMMED_COST,
    SUMMED_GROUPS,
    batched_groups,
    groups_by_length,
)
from fedrec.training.cohort.groups.item_rows import (
    GatheredRows,
    all_rows,
    gathered_rows,
    most_sets,
    rows_read,
)
from fedrec.training.cohort.local_steps import AfterStep, local_updates
from fedrec.training.cohort.loss import CohortLoss, needs_all_rows
from fedrec.training.cohort.native_users import native_users
from fedrec.training.cohort.plan import CohortPlan
from fedrec.training.cohort.summed_gradient import SummedGradient
from fedrec.training.cohort.update import CohortSum, CohortUpdate, UserGroup
from fedrec.training.cohort.user_weights import Forward, UserWeights, copy_weights, make_forward
from fedrec.training.negatives import shared_negatives
from fedrec.training.schedule import scheduled_rate
from fedrec.training.windows import Ints, UserStep, UserWindows, user_steps, windows_of


@dataclass(frozen=True, kw_only=True)
class GroupProgress:
    """Progress of a group of users.

    Attributes:
        group: U users.
        weights: A set for each of them, as it is now; what follows overwrites it.
        steps: Steps that each user has taken.
        losses: (U,) Sum of each user's losses so far.
        targets: (U,) Targets of each user so far.
    """

    group: UserGroup
    weights: UserWeights
    steps: int
    losses: Tensor
    targets: Tensor


Watch = Callable[[GroupProgress], None]


def train_cohort(
    model: Recommender,
    training: Sequences,
    users: Ints,
    *,
    plan: CohortPlan,
    loss: CohortLoss,
    seed: int,
    round: int,
    watch: Watch | None = None,
) -> CohortUpdate:
    """Train each user from the model's weights, which stay as they are; sum up the updates.

    A pure function of weights, users, seed and round: neither the order of ``users`` nor who is
    in another call changes a user's update; the order changes no bit of the sum.

    Args:
        model: Model that holds the global weights.
        training: Training parts of all users; only ``users`` are read.
        users: (U,) Distinct global numbers.
        plan: Local training of each user.
        loss: Loss that each user minimises.
        seed: Seed of the run.
        round: Number of the round, from 1.
        watch: Function called for each group before its first step and after each. Before the
            first it may write into the frozen arrays, which are the group's own. Every user then
            has weights of its own even where one gradient would do for all.

    Raises:
        ConfigError: A user has seen every item, so that no negative is left; or the model asks for
            more than the items that precede.
    """
    if model.task != "next" or model.needs_times or model.user_arrays:
        raise ConfigError(
            f"federation.unit must be 'partition' for {type(model).__name__}: users who train side "
            "by side are asked for the next item of what they read, and nothing else is known"
        )
    plan = replace(
        plan, learning_rate=scheduled_rate(plan.learning_rate, plan.schedule_rounds, round - 1)
    )
    lengths = training.offsets[users + 1] - training.offsets[users]
    windows = [
        windows_of(int(user), training.of(int(user)), plan.max_length, plan.newest_windows)
        for user in users[lengths >= MIN_TRAINING_EVENTS]
    ]
    shared = [
        loss.known[shared_negatives(seed, round, step, len(loss.known), loss.shared_negatives) - 1]
        for step in range(plan.steps if loss.shared_negatives else 0)
    ]
    idle = users[lengths < MIN_TRAINING_EVENTS]
    trainer = _Trainer(model, plan, loss, seed, round, shared, watch)
    total = CohortSum(model, plan, loss.num_items, seed=seed, round=round)
    is_summed = plan.is_one_gradient and watch is None
    native = None if watch else native_users(model, plan, loss, trainer.drawn, shared)
    if native is not None:
        native.train(windows, total)
        return total.update(idle)
    cost = SUMMED_COST if is_summed else GROUP_COST
    most = MAX_GROUP if is_summed else trainer.most_users
    groups = groups_by_length(windows, plan.max_length, plan.group_tokens, cost, most)
    if is_summed:
        for some in batched_groups(groups, SUMMED_GROUPS * plan.group_tokens):
            trainer.train_summed(some, total)
    else:
        for group in groups:
            trainer.train(group, [trainer.drawn(one) for one in group], total)
    return total.update(idle)


class _Trainer:
    """Settings and arrays that all groups of a call share."""

    def __init__(
        self,
        model: Recommender,
        plan: CohortPlan,
        loss: CohortLoss,
        seed: int,
        round: int,
        shared: Sequence[Ints],
        watch: Watch | None,
    ) -> None:
        self.model, self.plan, self.loss = model, plan, loss
        self.seed, self.round, self.shared, self.watch = seed, round, shared, watch
        self.needs_all = needs_all_rows(plan, loss)
        self.device = device_of(model)
        self.dtype = next(model.parameters()).dtype
        with torch.no_grad():  # D is the width of an item's views, whichever parameter comes first
            one = model.look_up(torch.zeros(1, dtype=torch.long, device=self.device))
        self.width = one.views.shape[-1]

    @cached_property
    def most_users(self) -> int:
        """Users of a group with weights of their own."""
        rows = self.loss.num_items + 1 if self.needs_all else self.loss.shared_negatives
        return min(MAX_GROUP, most_sets(self.model, rows))

    @cached_property
    def _forward(self) -> Forward:
        return make_forward(self.model, self.loss)

    def train_summed(self, groups: Sequence[UserGroup], total: CohortSum) -> None:
        """Add the users of some groups to the sum by one gradient."""
        drawn = [[self.drawn(one) for one in group] for group in groups]
        rows = self._rows([steps for some in drawn for steps in some], together=True)
        needed = torch.from_numpy(rows.needed).to(self.device)
        summed = SummedGradient(self.model, needed[0], self._unknown(needed, 0), self.loss)
        losses = []
        for group, some in zip(groups, drawn, strict=True):
            own = GatheredRows(rows.needed, np.zeros(len(group), dtype=np.int64), rows.index)
            [step] = self._laid(group, some, own, together=True)
            losses.append(summed.add(step))
        finite = [
            (group, means) for group, means in zip(groups, losses, strict=True) if means is not None
        ]
        is_fine = bool(finite) and total.add_gradient(finite, summed.total())
        for group, some, means in zip(groups, drawn, losses, strict=True):
            if is_fine and means is not None:
                total.note(group, means, _trained(some), [self._read(steps) for steps in some])
            else:  # one by one, only the broken user goes
                for first in range(0, len(group), self.most_users):
                    part = slice(first, first + self.most_users)
                    self.train(group[part], some[part], total)

    def train(
        self, group: UserGroup, drawn: Sequence[Sequence[UserStep]], total: CohortSum
    ) -> None:
        """Train each user of a group on weights of its own and add their updates to the sum."""
        rows = self._rows(drawn, together=False)
        steps = self._laid(group, drawn, rows, together=False)
        needed = torch.from_numpy(rows.needed).to(self.device)
        own = copy_weights(self.model, needed)
        updates, losses = local_updates(
            self._forward,
            own,
            steps,
            lambda step: self._unknown(needed, step),
            plan=self.plan,
            after=self._watching(group, own),
        )
        read = [self._read(steps) for steps in drawn]
        total.add_own(group, own, updates, losses, _trained(drawn), read)

    def _read(self, steps: Sequence[UserStep]) -> Ints:
        """(R,) the items whose rows a user's steps read, or decay, ascending."""
        return rows_read(steps, self.shared, self.loss.num_items, needs_all=self.needs_all)

    def _watching(self, group: UserGroup, own: UserWeights) -> AfterStep | None:
        if self.watch is None:
            return None
        watch = self.watch
        return lambda steps, losses, targets: watch(
            GroupProgress(group=group, weights=own, steps=steps, losses=losses, targets=targets)
        )

    def drawn(self, one: UserWindows) -> Sequence[UserStep]:
        """All steps of a user."""
        return user_steps(
            one,
            steps=self.plan.steps,
            batch_size=self.plan.batch_size,
            num_negatives=self.loss.own_negatives,
            catalogue=self.loss.known,
            num_masks=self.model.num_dropout_masks,
            width=self.width,
            dropout=self.plan.dropout,
            seed=self.seed,
            round=self.round,
            keep=self.loss.keeps_history,
        )

    def _rows(self, drawn: Sequence[Sequence[UserStep]], *, together: bool) -> GatheredRows:
        if self.needs_all:
            return all_rows(len(drawn), self.loss.num_items, together=together)
        return gathered_rows(drawn, self.shared, self.loss.num_items, together=together)

    def _laid(
        self,
        group: UserGroup,
        drawn: Sequence[Sequence[UserStep]],
        rows: GatheredRows,
        *,
        together: bool,
    ) -> list[GroupStep]:
        """Tensors of all steps, with one weight set for all users or one each."""
        shares = self.plan.shares([one.num_targets for one in group]) if together else None
        steps: list[GroupStep] = []
        for number in range(self.plan.steps):
            own = [steps[number] for steps in drawn]
            shared = self.shared[number] if self.shared else None
            facts: dict[str, Any] = {
                "shared": shared,
                "compared": self.loss.compared(shared),
                "histories": [one.history for one in group],
            }
            if steps and all(
                now.items is first[0].items for now, first in zip(own, drawn, strict=True)
            ):
                steps.append(redrawn(steps[0], own, rows, **facts))
                continue
            steps.append(
                group_step(
                    own,
                    rows,
                    max_length=self.plan.max_length,
                    shares=shares or [1.0] * len(group),
                    device=self.device,
                    dtype=self.dtype,
                    **facts,
                )
            )
        return steps

    def _unknown(self, needed: Tensor, step: int) -> Tensor | None:
        """(S * R,) items without their identity in a step, the same for all users."""
        if self.plan.identity_dropout == 0:
            return None
        stream = generator(self.seed, "identity", self.round, step)
        dropped = stream.random(self.loss.num_items + 1) < self.plan.identity_dropout
        return torch.from_numpy(dropped).to(self.device)[needed.reshape(-1)]


def _trained(drawn: Sequence[Sequence[UserStep]]) -> list[int]:
    """Targets of each user, in all steps."""
    return [sum(len(step.targets) for step in steps) for steps in drawn]
