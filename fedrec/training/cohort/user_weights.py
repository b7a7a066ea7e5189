"""Per-user weights of a group: copies of dense arrays and gathered item rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from fedrec.models.recommender import Recommender
from fedrec.training.cohort.groups.batches import GroupStep, Rectangle
from fedrec.training.cohort.loss import CohortLoss, losses_of
from fedrec.training.cohort.stacked.models import assign, stackable, stacked

Forward = Callable[["UserWeights", GroupStep, Tensor | None], Tensor]


@dataclass(frozen=True, kw_only=True)
class UserWeights:
    """Arrays of S weight sets.

    Attributes:
        trained: Dense parameters (S, ...), those with a row per item (S * R, D); leaves. Before
            the first step they are views of ``start``, which all sets share.
        start: Arrays that the trained ones began with, of a shape that broadcasts to theirs.
        frozen: Buffers with a row per item, (S * R, ...).
        rows: Names with a row per item among the trained ones.
        needed: (S, R) Item numbers, padded with 0.
        numbers: (S * R,) The numbers by which the model looks these items up.
    """

    trained: dict[str, Tensor]
    start: Mapping[str, Tensor]
    frozen: Mapping[str, Tensor]
    rows: frozenset[str]
    needed: Tensor
    numbers: Tensor

    @property
    def sets(self) -> int:
        """S, the number of weight sets."""
        return len(self.needed)


def copy_weights(model: Recommender, needed: Tensor) -> UserWeights:
    """One weight set for each row of ``needed`` (S, R), all equal to the model's weights.

    No dense array is copied yet: products with one weight set of all cost less.
    """
    items = set(model.item_arrays)
    flat = needed.reshape(-1)
    start, trained = {}, {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name in items:
            start[name] = parameter.detach().index_select(0, flat)
            trained[name] = start[name].detach()
        else:
            start[name] = parameter.detach()[None]
            trained[name] = start[name].expand(len(needed), *parameter.shape).detach()
        trained[name].requires_grad_()
    frozen = {
        name: buffer.index_select(0, flat)
        for name, buffer in model.named_buffers()
        if name in items
    }
    numbers = torch.arange(len(flat), device=flat.device) if items else flat
    return UserWeights(
        trained=trained,
        start=start,
        frozen=frozen,
        rows=frozenset(items & set(trained)),
        needed=needed,
        numbers=numbers,
    )


def make_forward(model: Recommender, loss: CohortLoss) -> Forward:
    """Losses (U, M) of a group under given weights, by whichever way the model allows.

    Models made of known layers are stacked; any other is mapped over the weight sets by
    ``torch.func``, which is slower and asks that the model can be mapped.
    """
    if stackable(model):
        twin = stacked(model)

        def forward(weights: UserWeights, step: GroupStep, unknown: Tensor | None) -> Tensor:
            """Losses (U, M) of S weight sets; ``unknown`` is (S * R,)."""
            assign(twin, weights.trained)
            assign(twin, weights.frozen)
            return losses_of(
                twin,
                step,
                weights.numbers,
                unknown,
                sets=weights.sets,
                loss=loss,
            )

        return forward
    return _mapped(_Losses(model, loss))


class _Losses(nn.Module):
    """A model and its loss as one module, for ``functional_call``."""

    def __init__(self, model: Recommender, loss: CohortLoss) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, step: GroupStep, numbers: Tensor, unknown: Tensor | None) -> Tensor:
        """Losses (U, M) of one weight set from item numbers (R,) and flags (R,)."""
        return losses_of(self.model, step, numbers, unknown, sets=1, loss=self.loss)


def _mapped(losses: _Losses) -> Forward:
    def forward(weights: UserWeights, step: GroupStep, unknown: Tensor | None) -> Tensor:
        """Losses (U, M) of S weight sets; ``unknown`` is (S * R,)."""
        sets, size = weights.needed.shape
        # Inside the map a set knows only itself: its rows begin at 0 again.
        first = size * torch.arange(sets, device=weights.needed.device)
        own_numbers = torch.arange(size, device=first.device).expand(sets, -1)
        numbers = own_numbers if weights.frozen or weights.rows else weights.needed
        arrays = {
            name: array.view(sets, size, *array.shape[1:]) if name in weights.rows else array
            for name, array in weights.trained.items()
        } | {
            name: array.view(sets, size, *array.shape[1:]) for name, array in weights.frozen.items()
        }

        def one(arrays: Mapping[str, Tensor], parts: Parts, *rest: Tensor) -> Tensor:
            named = {f"model.{name}": array for name, array in arrays.items()}
            marked = rest[1] if len(rest) > 1 else None
            out: Tensor = functional_call(
                losses, named, (_step_of(parts, step.rectangles), rest[0], marked)
            )
            return out

        split = _split(step, sets, first)
        rest = (numbers,) if unknown is None else (numbers, unknown.view(sets, -1))
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels cannot be mapped on every device
            out: Tensor = torch.vmap(one)(arrays, split, *rest)
        return out.reshape(step.targets.shape)

    return forward


Parts = dict[str, Tensor]


def _split(step: GroupStep, sets: int, first: Tensor) -> Parts:
    """The tensors of a step by name, each with a leading axis of weight sets."""

    def own(array: Tensor) -> Tensor:
        return array.view(sets, -1, *array.shape[1:])

    def own_rows(indices: Tensor) -> Tensor:
        return own(indices) - first.view(-1, *[1] * indices.ndim)

    parts = {
        name: own(getattr(step, name)) for name in ("from_end", "is_real", "counts", "emphasis")
    }
    parts |= {"indices": own_rows(step.indices), "targets": own_rows(step.targets)}
    if step.negatives is not None:
        parts["negatives"] = own_rows(step.negatives)
    if step.refused is not None:
        parts["refused"] = own(step.refused)
    if step.dropout_masks is not None:
        parts["dropout_masks"] = own(step.dropout_masks.transpose(0, 1)).transpose(1, 2)
    for number, part in enumerate(step.rectangles):
        parts[f"lengths-{number}"] = own(part.lengths)
    return parts


def _step_of(parts: Parts, like: Sequence[Rectangle]) -> GroupStep:
    """The step of one weight set among those that ``_split`` made."""
    return GroupStep(
        rectangles=[
            replace(part, lengths=parts[f"lengths-{number}"]) for number, part in enumerate(like)
        ],
        indices=parts["indices"],
        from_end=parts["from_end"],
        dropout_masks=parts.get("dropout_masks"),
        targets=parts["targets"],
        negatives=parts.get("negatives"),
        refused=parts.get("refused"),
        is_real=parts["is_real"],
        counts=parts["counts"],
        emphasis=parts["emphasis"],
    )
