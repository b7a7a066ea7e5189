"""Users one after the other by the kernel, where each takes SGD steps: no padding.

The kernel knows SASRec and the losses of fedrec; all else goes through ``train``, in torch. One
step is a gradient at the weights that all users share, which nobody copies; several steps train
the rows that a user reads, and the transformer, as weights of its own.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedrec.models.losses import gbce_beta
from fedrec.models.recommender import Recommender
from fedrec.native.updates import Layout, add_update, measure
from fedrec.native.users import Descent, UserTargets, UserWeights
from fedrec.randomness import generator
from fedrec.training.cohort.groups.grouping import SUMMED_GROUPS, batched_groups
from fedrec.training.cohort.groups.item_rows import rows_read
from fedrec.training.cohort.loss import CohortLoss, needs_all_rows
from fedrec.training.cohort.plan import CohortPlan
from fedrec.training.cohort.update import CohortSum, UserGroup
from fedrec.training.native import native_weights, refused_by
from fedrec.training.updates.quantization import int8_steps, quantize
from fedrec.training.windows import Ints, UserStep, UserWindows

Draw = Callable[[UserWindows], Sequence[UserStep]]

# Losses of fedrec by the kernel's names.
KINDS = {
    "softmax": "softmax",
    "sampled-softmax": "sampled",
    "bce": "binary",
    "gbce": "binary",
    "bpr": "pairwise",
}


class NativeUsers:
    """Local training of users one after the other.

    Args:
        weights: Weights that all users share.
        model: Model that holds them.
        plan: Local training of each user.
        loss: Loss that each minimises.
        draw: Function that draws all steps of a user.
        shared: Negatives (K,) of each step that all users share.
    """

    def __init__(
        self,
        weights: UserWeights,
        model: Recommender,
        plan: CohortPlan,
        loss: CohortLoss,
        draw: Draw,
        shared: Sequence[Ints],
    ) -> None:
        self.weights, self.plan, self.loss = weights, plan, loss
        self.draw, self.shared = draw, shared
        self._shapes = {name: one.shape for name, one in model.named_parameters()}
        self._sizes = [shape.numel() for shape in self._shapes.values()]
        self._scratch = torch.zeros_like(weights.flat)
        self._all = np.arange(weights.count)
        self._reads_all = needs_all_rows(plan, loss)
        # Where every row is read, and there is one step, no user needs weights of its own.
        self._is_shared = plan.is_one_gradient or (plan.is_one_step and self._reads_all)
        self._options = _options(loss)

    def train(self, users: UserGroup, total: CohortSum) -> None:
        """Train users, whatever their order, and add their updates to the sum."""
        ordered = sorted(users, key=lambda one: one.user)
        if not self.plan.is_one_gradient:
            self._train_each(ordered, total)
            return
        groups = [[one] for one in ordered]
        for some in batched_groups(groups, SUMMED_GROUPS * self.plan.group_tokens):
            self._train_summed([one for [one] in some], total)

    def _train_summed(self, users: UserGroup, total: CohortSum) -> None:
        """Add users to the sum by one gradient."""
        self._scratch.zero_()
        shares = self.plan.shares([one.num_targets for one in users])
        found = [self._add_gradient(one, share) for one, share in zip(users, shares, strict=True)]
        means = torch.tensor([mean for mean, _, _ in found])
        gradient = torch.split(self._scratch, self._sizes)
        by_name = {
            name: part.view(shape)
            for (name, shape), part in zip(self._shapes.items(), gradient, strict=True)
        }
        if total.add_gradient([(users, means)], by_name):
            total.note(users, means, [n for _, n, _ in found], [read for _, _, read in found])
        else:  # one by one, only the broken user goes
            self._train_each(users, total)

    def _train_each(self, users: UserGroup, total: CohortSum) -> None:
        """Clip or round the update of each user, and add those within bounds to the sum."""
        for one in users:
            # One step of plain SGD is the gradient times the rate.
            rate = -self.plan.learning_rate if self.plan.is_one_step else 1.0
            if self._is_shared:
                self._scratch.zero_()
                mean, count, read = self._add_gradient(one, 1.0)
                update, places = self._scratch, self._all
            else:
                update, places, mean, count, read = self._own_update(one)
            width = self.weights.width
            sizes = torch.tensor([len(places) * width, *self._sizes[1:]])
            squares, largest = measure(update, sizes)
            norm = abs(rate) * math.sqrt(squares)
            if total.takes(one, update, mean, norm, count, read):
                layout = Layout(
                    sizes=sizes,
                    places=torch.from_numpy(places),
                    width=width,
                    num_rows=self.weights.count,
                )
                self._send(one, update, layout, rate, norm, largest * abs(rate), total)

    def _add_gradient(self, one: UserWindows, share: float) -> tuple[float, int, Ints]:
        """Add the gradient of a user's mean loss times a share; mean loss, targets, items read."""
        drawn = self.draw(one)
        count = len(drawn[0].targets)
        user = self._targets(one, drawn[0], 0, None, share / count)
        loss = self.weights.add_gradient(user, self._scratch)
        return loss / count, count, self._read(drawn)

    def _own_update(self, one: UserWindows) -> tuple[Tensor, Ints, float, int, Ints]:
        """A user's update, or gradient of one step, and its rows; loss, targets, items read."""
        drawn = self.draw(one)
        read = self._read(drawn)
        places = np.append(0, read)
        own = self.weights.copied(torch.from_numpy(places))
        index = None if len(places) == self.weights.count else places
        steps = [
            self._targets(one, step, number, index, 1 / len(step.targets))
            for number, step in enumerate(drawn)
        ]
        count = sum(len(step.targets) for step in drawn)
        plan = self.plan
        if plan.is_one_step:
            update = self._scratch[: len(own.flat)].zero_()
            return update, places, own.add_gradient(steps[0], update) / count, count, read
        start = own.flat.clone()
        descent = Descent(rate=plan.learning_rate, decay=plan.weight_decay, pull=plan.proximal_mu)
        losses = own.train(steps, descent, start, self._scratch)
        return own.flat.sub_(start), places, sum(losses) / count, count, read

    def _targets(
        self, one: UserWindows, step: UserStep, number: int, places: Ints | None, weight: float
    ) -> UserTargets:
        """A step of a user; ``places`` (R,) are the items of its rows, all if none are given."""

        def rows(items: Ints | None) -> Tensor | None:
            if items is None or places is None:
                return None if items is None else torch.from_numpy(items)
            return torch.from_numpy(np.searchsorted(places, items))

        negatives, refused = step.negatives, None
        keep = self.loss.keeps_history
        if self.shared:
            negatives = self.shared[number]
            is_left_out = (
                step.targets[:, None] == negatives if keep else np.isin(negatives, one.history)
            )
            refused = torch.from_numpy(is_left_out)
        elif self.loss.name == "softmax" and not keep:
            refused = refused_by(one.history, self.loss.num_items)
        items, targets = rows(step.items), rows(step.targets)
        assert items is not None
        assert targets is not None
        return UserTargets(
            items=items,
            targets=targets,
            lengths=torch.from_numpy(step.lengths),
            negatives=rows(negatives),
            refused=refused,
            dropout_masks=step.dropout_masks,
            weight=weight,
            **self._options,
        )

    def _read(self, drawn: Sequence[UserStep]) -> Ints:
        """(R,) Items whose rows a user's steps read, or decay, ascending."""
        return rows_read(drawn, self.shared, self.loss.num_items, needs_all=self._reads_all)

    def _send(
        self,
        one: UserWindows,
        update: Tensor,
        layout: Layout,
        rate: float,
        norm: float,
        largest: Tensor,
        total: CohortSum,
    ) -> None:
        """Add a user's update as it arrives; clipping scales the steps of rounding, too."""
        [share] = self.plan.shares([one.num_targets])
        if self.plan.clip_norm > 0:
            share *= min(1.0, self.plan.clip_norm / norm) if norm > 0 else 1.0
        stream = generator(total.seed, "upload", total.round, one.user)
        steps = chances = None
        if self.plan.upload == "int8":
            steps = int8_steps(largest)
            chances = torch.from_numpy(stream.random(len(update), dtype=np.float32))
        elif self.plan.upload != "float32":
            update.mul_(rate)
            rate = 1.0
            for part in torch.split(update, layout.sizes.tolist()):
                quantize(part, self.plan.upload, stream)
        add_update(total.flat, update, layout, rate=rate, share=share, steps=steps, chances=chances)


def _options(loss: CohortLoss) -> dict[str, Any]:
    """What a loss is to the kernel."""
    options: dict[str, Any] = {"loss": KINDS[loss.name]}
    if loss.name == "gbce":
        options["beta"] = gbce_beta(len(loss.known), loss.negatives, loss.calibration)
    if loss.name == "sampled-softmax" and loss.log_q:
        options["shift"] = math.log(len(loss.known) / loss.shared_negatives)
    return options


def native_users(
    model: Recommender,
    plan: CohortPlan,
    loss: CohortLoss,
    draw: Draw,
    shared: Sequence[Ints],
) -> NativeUsers | None:
    """What trains users by the kernel; none where it cannot. The arguments are its own."""
    knows = loss.name in KINDS and not (loss.name == "softmax" and loss.cold)
    if not (loss.uses_kernel and knows and plan.optimizer == "sgd"):
        return None
    weights = native_weights(model, is_turned=loss.name == "softmax")
    if weights is None or weights.count != loss.num_items + 1:
        return None
    return NativeUsers(weights, model, plan, loss, draw, shared)
