"""The loss of a group's step, whichever loss it is and however the weights are stacked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from fedrec.models.losses import (
    binary_losses,
    gbce_beta,
    pairwise_losses,
    sampled_softmax_losses,
    softmax_losses,
)
from fedrec.models.recommender import ItemTable, Recommender
from fedrec.training.cohort.batches import GroupStep
from fedrec.training.cohort.plan import CohortPlan
from fedrec.training.cohort.stacked import StackedSASRec, read_rows
from fedrec.training.negatives import open_items
from fedrec.training.windows import Ints


@dataclass(frozen=True, kw_only=True)
class CohortLoss:
    """Which loss over which candidates; the words are those of section ``loss``.

    Attributes:
        name: sampled-softmax, softmax, bce, gbce or bpr.
        num_items: V.
        negatives: K; BCE and BPR take 1 per position whatever K is, as SASRec does.
        log_q: correct sampled softmax for the chance of an item to be drawn.
        calibration: t of gBCE.
        cold: items that are never a negative, as training knows nothing of them.
    """

    name: str
    num_items: int
    negatives: int = 1
    log_q: bool = True
    calibration: float = 0.75
    cold: tuple[int, ...] = ()

    @cached_property
    def known(self) -> Ints:
        """Items that are candidates in training, ascending."""
        return open_items(self.num_items, self.cold)

    @property
    def own_negatives(self) -> int:
        """How many negatives each target draws for itself."""
        return {"bce": 1, "bpr": 1, "gbce": self.negatives}.get(self.name, 0)

    @property
    def shared_negatives(self) -> int:
        """How many negatives all users share in a step."""
        return self.negatives if self.name == "sampled-softmax" else 0

    def among_known(self, vectors: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (..., V, D) of the candidates alone, and where the targets, from 0, lie there."""
        known = torch.from_numpy(self.known - 1).to(vectors.device)
        return vectors.index_select(-2, known), torch.searchsorted(known, targets)

    def against_own(self, states: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """The losses (..., M) of targets against negatives (..., M, K, D) of their own."""
        if self.name == "bpr":
            return pairwise_losses(states, positives, negatives)
        beta = 1.0
        if self.name == "gbce":
            beta = gbce_beta(len(self.known), self.negatives, self.calibration)
        return binary_losses(states, positives, negatives, beta=beta)


def needs_all_rows(plan: CohortPlan, loss: CohortLoss) -> bool:
    """Whether training reads every item's row, or decays it."""
    return loss.name == "softmax" or plan.weight_decay > 0


def states_of(model: Recommender, table: ItemTable, step: GroupStep) -> Tensor:
    """The states (U, M, D) after every position of a step."""
    parts = [
        model.encode(
            table,
            part.cut(step.places),
            part.lengths,
            None if step.keep is None else part.cut(step.keep, axis=1),
        )[0]
        for part in step.rectangles
    ]
    return torch.cat([part.reshape(len(step.places), -1, part.shape[-1]) for part in parts], dim=1)


def losses_of(
    model: Recommender,
    step: GroupStep,
    needed: Tensor,
    unknown: Tensor | None,
    *,
    sets: int,
    loss: CohortLoss,
) -> Tensor:
    """The loss (U, M) of every target of a group; what it is at padding means nothing.

    Args:
        model: with S weight sets, or the plain one where S is 1.
        step: what is read and what followed.
        needed: (S * R,) numbers by which the model looks its items up.
        unknown: (S * R,) items shown without their identity, or none.
        sets: S; U or 1.
        loss: which one.
    """
    table = model.look_up(needed, unknown)
    vectors = model.output_vectors(table)
    users, width = len(step.targets), vectors.shape[-1]
    places = [] if loss.name == "softmax" else [step.targets]
    if step.negatives is not None:
        places.append(step.negatives[:sets] if loss.shared_negatives else step.negatives)
    candidates: Sequence[Tensor]
    if isinstance(model, StackedSASRec):
        read, *candidates = read_rows(vectors, [step.places, *places])
        states = model.states(read, step)
    else:
        candidates = [functional.embedding(some, vectors) for some in places]
        states = states_of(model, table, step)

    emphasis = step.emphasis.view(sets, -1)
    if loss.name == "softmax":
        # Every row is held, item by item, so that row number and item number agree in each set.
        first = torch.arange(sets, device=needed.device)[:, None] * (len(needed) // sets)
        targets = (step.targets.view(sets, -1) - first - 1).clamp(min=0)  # padding is item 0
        whole = vectors.view(sets, -1, width)[:, 1:]
        if loss.cold:
            whole, targets = loss.among_known(whole, targets)
        return softmax_losses(states.view(sets, -1, width), whole, targets, emphasis).view(
            users, -1
        )
    positives, negatives = candidates
    if step.refused is not None:
        refused = step.refused[:, None].expand(-1, states.shape[1], -1)
        ratio = math.log(len(loss.known) / loss.negatives) if loss.log_q else 0.0
        return sampled_softmax_losses(
            states.view(sets, -1, width),
            positives.view(sets, -1, width),
            negatives,
            refused.reshape(sets, -1, refused.shape[-1]),
            ratio,
            emphasis,
        ).view(users, -1)
    return loss.against_own(states, positives, negatives)
