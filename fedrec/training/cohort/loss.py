"""Loss of a group's training step, for plain and for stacked weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fedrec.models.losses import LossFunction, LossOptions
from fedrec.models.recommender import ItemTable, Recommender
from fedrec.training.cohort.groups.batches import GroupStep
from fedrec.training.cohort.plan import CohortPlan
from fedrec.training.cohort.stacked.models import StackedSASRec, read_rows
from fedrec.training.negatives import open_items
from fedrec.training.user_loss import find_loss
from fedrec.training.windows import Ints


@dataclass(frozen=True, kw_only=True)
class CohortLoss:
    """Loss of one-user clients over a catalogue; the words are those of section ``loss``.

    Attributes:
        name: Name of the loss; see ``fedrec.training.user_loss``.
        num_items: V.
        negatives: K; BCE and BPR take 1 per position whatever K is, as SASRec does.
        log_q: Correct sampled softmax for the chance of an item to be drawn.
        calibration: T of gBCE.
        cold: Items that are never a negative, as training knows nothing of them.
        own_history: "leave-out": no item of a user's training history is a negative; "keep": all
            items but the target are.
        uses_kernel: Whether the kernel computes what it can.
    """

    name: str
    num_items: int
    negatives: int = 1
    log_q: bool = True
    calibration: float = 0.75
    cold: tuple[int, ...] = ()
    own_history: str = "leave-out"
    uses_kernel: bool = False

    @cached_property
    def known(self) -> Ints:
        """Items that are candidates in training, ascending."""
        return open_items(self.num_items, self.cold)

    @cached_property
    def function(self) -> LossFunction:
        """The loss over these candidates.

        Raises:
            ConfigError: There is no such loss.
        """
        options = LossOptions(
            num_candidates=len(self.known),
            negatives=self.negatives,
            log_q=self.log_q,
            calibration=self.calibration,
            uses_kernel=self.uses_kernel,
        )
        return find_loss(self.name)(options)

    @property
    def own_negatives(self) -> int:
        """How many negatives each target draws for itself."""
        return self.function.negatives if self.function.candidates == "own" else 0

    @property
    def shared_negatives(self) -> int:
        """How many negatives all users share in a step."""
        return self.function.negatives if self.function.candidates == "shared" else 0

    @property
    def keeps_history(self) -> bool:
        """Whether items of a user's training history are negatives."""
        return self.own_history == "keep"

    def compared(self, shared: Ints | None) -> Ints | None:
        """(K,) Items that are left out for a user who has had them, or none.

        Args:
            shared: (K,) Negatives that all users share in a step, or none.
        """
        if self.keeps_history:
            return None
        if self.function.candidates == "all":
            return np.arange(1, self.num_items + 1)
        return shared

    def against_all(
        self,
        states: Tensor,
        vectors: Tensor,
        targets: Tensor,
        weights: Tensor,
        *,
        refused: Tensor | None,
        users: Tensor,
    ) -> Tensor:
        """The losses (..., M) against the whole catalogue.

        Args:
            states: (..., M, D) One per target.
            vectors: (..., V, D) Output vectors of items 1..V.
            targets: (..., M) Rows of ``vectors`` that followed.
            weights: (..., M) Weights of each target in the loss, up to a factor.
            refused: (..., U, V) Whether each item is left out for a user, or none.
            users: (..., M) Row of ``refused`` of each target's user.
        """
        if self.cold:
            known = torch.from_numpy(self.known - 1).to(vectors.device)
            vectors = vectors.index_select(-2, known)
            targets = torch.searchsorted(known, targets)
            refused = None if refused is None else refused.index_select(-1, known)
        return self.function.of_targets(
            states,
            vectors,
            targets,
            weights=weights,
            refused=refused,
            refused_rows=None if refused is None else users,
        )


def needs_all_rows(plan: CohortPlan, loss: CohortLoss) -> bool:
    """Whether training reads every item's row, or decays it."""
    return loss.function.candidates == "all" or plan.weight_decay > 0


def states_of(model: Recommender, table: ItemTable, step: GroupStep) -> Tensor:
    """The states (U, M, D) after every position of a step."""
    parts = [
        model.encode(
            table,
            part.cut(step.indices),
            part.lengths,
            None if step.dropout_masks is None else part.cut(step.dropout_masks, axis=1),
        )[0]
        for part in step.rectangles
    ]
    return torch.cat([part.reshape(len(step.indices), -1, part.shape[-1]) for part in parts], dim=1)


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
        model: Model with S weight sets, or the plain one where S is 1.
        step: Inputs and targets of the step.
        needed: (S * R,) Numbers by which the model looks its items up.
        unknown: (S * R,) Items shown without their identity, or none.
        sets: S; U or 1.
        loss: Loss to compute.
    """
    table = model.look_up(needed, unknown)
    vectors = model.output_vectors(table)
    users, width = len(step.targets), vectors.shape[-1]
    kind, of_targets = loss.function.candidates, loss.function.of_targets
    indices = [] if kind == "all" else [step.targets]
    if step.negatives is not None:
        indices.append(step.negatives[:sets] if kind == "shared" else step.negatives)
    candidates: Sequence[Tensor]
    if isinstance(model, StackedSASRec):
        read, *candidates = read_rows(vectors, [step.indices, *indices])
        states = model.states(read, step)
    else:
        candidates = [functional.embedding(some, vectors) for some in indices]
        states = states_of(model, table, step)

    if kind == "own":
        return of_targets(states, *candidates)
    emphasis, states = step.emphasis.view(sets, -1), states.view(sets, -1, width)
    if kind == "all":
        # Every row is held, item by item, so that row number and item number agree in each set.
        first = torch.arange(sets, device=needed.device)[:, None] * (len(needed) // sets)
        targets = (step.targets.view(sets, -1) - first - 1).clamp(min=0)  # padding is item 0
        whole = vectors.view(sets, -1, width)[:, 1:]
        refused = None if step.refused is None else step.refused.view(sets, users // sets, -1)
        owners = torch.arange(users // sets, device=needed.device)
        owners = owners.repeat_interleave(step.targets.shape[1]).expand(sets, -1)
        return loss.against_all(
            states, whole, targets, emphasis, refused=refused, users=owners
        ).view(users, -1)
    positives, negatives = candidates
    return of_targets(
        states,
        positives.view(sets, -1, width),
        negatives,
        refused=_refused_shared(step, loss).reshape(sets, -1, negatives.shape[-2]),
        weights=emphasis,
    ).view(users, -1)


def _refused_shared(step: GroupStep, loss: CohortLoss) -> Tensor:
    """(U, M, K) Shared negatives that are none of a target's: own history, or the target itself."""
    if step.negatives is None:
        raise ValueError(f"{loss.name} without shared negatives")
    if step.refused is None:
        return step.targets.unsqueeze(-1) == step.negatives.unsqueeze(1)
    return step.refused.unsqueeze(1).expand(-1, step.targets.shape[1], -1)
