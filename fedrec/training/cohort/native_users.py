"""Users one after the other by the kernel, where each takes one SGD step: no padding, no copies.

The kernel knows SASRec's softmax loss; all else goes through ``train``, in torch.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from fedrec.models.recommender import Recommender
from fedrec.native.users import UserGradients, add_update, measure
from fedrec.randomness import generator
from fedrec.training.cohort.groups.grouping import SUMMED_GROUPS, batched_groups
from fedrec.training.cohort.loss import CohortLoss
from fedrec.training.cohort.plan import CohortPlan
from fedrec.training.cohort.update import CohortSum, UserGroup
from fedrec.training.native import gradients_of, user_targets
from fedrec.training.updates.quantization import int8_steps, quantize
from fedrec.training.windows import UserStep, UserWindows

Draw = Callable[[UserWindows], Sequence[UserStep]]


class NativeUsers:
    """Local training of users by their gradients at the shared weights.

    Args:
        gradients: What computes them.
        model: Model that holds the weights.
        plan: Local training of each user.
        loss: Loss that each minimises.
        draw: Function that draws all steps of a user; there is one.
    """

    def __init__(
        self,
        gradients: UserGradients,
        model: Recommender,
        plan: CohortPlan,
        loss: CohortLoss,
        draw: Draw,
    ) -> None:
        self.gradients, self.plan, self.loss, self.draw = gradients, plan, loss, draw
        self._shapes = {name: one.shape for name, one in model.named_parameters()}
        self._sizes = torch.tensor([shape.numel() for shape in self._shapes.values()])
        self._gradient = torch.zeros(gradients.size)
        self._all = np.arange(1, loss.num_items + 1)

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
        self._gradient.zero_()
        shares = self.plan.shares([one.num_targets for one in users])
        pairs = [self._add(one, share) for one, share in zip(users, shares, strict=True)]
        means, trained = torch.tensor([mean for mean, _ in pairs]), [count for _, count in pairs]
        if total.add_gradient([(users, means)], self._by_name(self._gradient)):
            total.note(users, means, trained, [self._all] * len(users))
        else:  # one by one, only the broken user goes
            self._train_each(users, total)

    def _train_each(self, users: UserGroup, total: CohortSum) -> None:
        """Clip or round the update of each user, and add those within bounds to the sum."""
        for one in users:
            self._gradient.zero_()
            mean, count = self._add(one, 1.0)
            squares, largest = measure(self._gradient, self._sizes)
            norm = self.plan.learning_rate * math.sqrt(squares)
            if total.takes(one, mean, norm, count, self._all):
                self._send(one, norm, largest, total)

    def _add(self, one: UserWindows, share: float) -> tuple[float, int]:
        """Add the gradient of a user's mean loss times a share; the mean loss, and its targets."""
        [step] = self.draw(one)
        count = len(step.targets)
        user = user_targets(
            step.items,
            step.targets,
            step.lengths,
            step.dropout_masks,
            weight=share / count,
            history=None if self.loss.keeps_history else one.history,
            num_items=self.loss.num_items,
        )
        return self.gradients.add(user, self._gradient) / count, count

    def _send(self, one: UserWindows, norm: float, largest: Tensor, total: CohortSum) -> None:
        """Add a user's update as it arrives; clipping scales the steps of rounding, too."""
        [share] = self.plan.shares([one.num_targets])
        if self.plan.clip_norm > 0:
            share *= min(1.0, self.plan.clip_norm / norm) if norm > 0 else 1.0
        gradient, rate = self._gradient, -self.plan.learning_rate
        stream = generator(total.seed, "upload", total.round, one.user)
        steps = chances = None
        if self.plan.upload == "int8":
            steps = int8_steps(largest * self.plan.learning_rate)
            chances = torch.from_numpy(stream.random(len(gradient), dtype=np.float32))
        elif self.plan.upload != "float32":
            gradient.mul_(rate)
            rate = 1.0
            for part in torch.split(gradient, self._sizes.tolist()):
                quantize(part, self.plan.upload, stream)
        add_update(
            total.flat, gradient, self._sizes, rate=rate, share=share, steps=steps, chances=chances
        )

    def _by_name(self, flat: Tensor) -> dict[str, Tensor]:
        parts = torch.split(flat, self._sizes.tolist())
        return {
            name: part.view(shape)
            for (name, shape), part in zip(self._shapes.items(), parts, strict=True)
        }


def native_users(
    model: Recommender, plan: CohortPlan, loss: CohortLoss, draw: Draw
) -> NativeUsers | None:
    """What trains users by the kernel; none where it cannot. The arguments are its own."""
    wanted = loss.uses_kernel and loss.name == "softmax" and not loss.cold and plan.is_one_step
    gradients = gradients_of(model) if wanted else None
    return None if gradients is None else NativeUsers(gradients, model, plan, loss, draw)
