"""Fusions of an item's views into one vector other than the context gate.

All are called as ``ContextGate`` is and start with the views at equal say. What they return as
weights are the views' shares of the vector: they sum to 1 in each row, so that all can be read
alike. All trained arrays lie in linear layers, which can be stacked for many users.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from fedrec.models.layers.gate import NUM_FEATURES, ContextGate, weighted_sum

ITEM_FEATURES = 2  # the first of ``gate_features``: log frequency, never seen


class FixedFusion(nn.Module):
    """The mean of the views: constant weights 1/N, nothing trained."""

    def forward(
        self, views: Tensor, context: Tensor | None, features: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the mean (..., D) and equal shares (..., N); see ``ContextGate``."""
        return views.mean(dim=-2), equal_shares(views)


class SumFusion(nn.Module):
    """The plain sum of the views, as position and segment embeddings are added elsewhere."""

    def forward(
        self, views: Tensor, context: Tensor | None, features: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the sum (..., D) and equal shares (..., N); see ``ContextGate``."""
        return views.sum(dim=-2), equal_shares(views)


class ConcatFusion(nn.Module):
    """The views side by side, through one linear projection to their width.

    The projection of N * D numbers is kept as N blocks of D: their sum is the same product, and
    each block's part of the vector can be looked at. It starts as the mean of the views.

    Args:
        num_views: N.
        width: D.
    """

    def __init__(self, num_views: int, width: int) -> None:
        super().__init__()
        blocks = [nn.Linear(width, width, bias=False) for _ in range(num_views)]
        with torch.no_grad():
            for block in blocks:
                block.weight.copy_(torch.eye(width) / num_views)
        self.blocks = nn.ModuleList(blocks)

    def forward(
        self, views: Tensor, context: Tensor | None, features: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the projection (..., D) and each view's share (..., N) of the norms of its parts.

        A view whose part is zero has no share; where all are zero, all have the same.
        """
        pieces = [block(view) for block, view in zip(self.blocks, views.unbind(-2), strict=True)]
        parts = torch.stack(pieces, dim=-2)
        norms = parts.detach().norm(dim=-1) + torch.finfo(parts.dtype).tiny
        return parts.sum(dim=-2), norms / norms.sum(dim=-1, keepdim=True)


class ItemGate(nn.Module):
    """Item gate: weights over the views from the item's features and views alone.

    The sequence has no part in them: an item's vector is the same wherever it stands.

    Args:
        num_views: N.
        width: D.
    """

    def __init__(self, num_views: int, width: int) -> None:
        super().__init__()
        self.from_facts = nn.Linear(ITEM_FEATURES, num_views)
        self.from_views = nn.Linear(num_views * width, num_views, bias=False)
        self.scale = math.sqrt(width)
        for start in (self.from_facts.weight, self.from_facts.bias, self.from_views.weight):
            nn.init.zeros_(start)

    def forward(
        self, views: Tensor, context: Tensor | None, features: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the mixture (..., D) and its weights (..., N); see ``ContextGate``."""
        # At the scale at which the encoder reads them.
        said = self.from_views(views.flatten(-2) * self.scale)
        weights = (said + self.from_facts(features[..., :ITEM_FEATURES])).softmax(dim=-1)
        return weighted_sum(views, weights), weights


class ViewAttention(nn.Module):
    """Scaled dot-product attention over the views of an item (Vaswani et al., NeurIPS 2017).

    The query knows what the context gate knows: the sequence so far and the features of the item.
    The keys are the views. The values are the views themselves, so that the views stay apart from
    how they are weighed, as in the gate.

    Args:
        width: D.
        stream: Random stream of the initial weights.
    """

    def __init__(self, width: int, stream: torch.Generator) -> None:
        super().__init__()
        self.from_context = nn.Linear(width, width, bias=False)
        self.from_facts = nn.Linear(NUM_FEATURES, width)
        self.key = nn.Linear(width, width, bias=False)
        self.scale = math.sqrt(width)
        # A query of zeros weighs all keys alike; the keys, which are not, show it where to go.
        for start in (self.from_context.weight, self.from_facts.weight, self.from_facts.bias):
            nn.init.zeros_(start)
        nn.init.xavier_uniform_(self.key.weight, generator=stream)

    def forward(
        self, views: Tensor, context: Tensor | None, features: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the mixture (..., D) and its weights (..., N); see ``ContextGate``."""
        query = self.from_facts(features)
        if context is not None:
            query = query + self.from_context(context)
        # Keys at the scale at which the encoder reads the views, that of the context.
        keys = self.key(views * self.scale)
        scores = (keys @ query.unsqueeze(-1)).squeeze(-1) / self.scale
        weights = scores.softmax(dim=-1)
        return weighted_sum(views, weights), weights


def equal_shares(views: Tensor) -> Tensor:
    """Shares (..., N) of views (..., N, D) that are all the same."""
    return torch.full_like(views[..., 0], 1 / views.shape[-2], requires_grad=False)


def make_fusion(name: str, num_views: int, width: int, stream: torch.Generator) -> nn.Module:
    """The fusion that ``model.fusion`` names, for N views of width D.

    Args:
        name: Context, fixed, sum, concat, item or attention.
        num_views: N.
        width: D.
        stream: Random stream of the initial weights, where they are drawn.
    """
    made: dict[str, Callable[[], nn.Module]] = {
        "context": lambda: ContextGate(num_views, width),
        "fixed": FixedFusion,
        "sum": SumFusion,
        "concat": lambda: ConcatFusion(num_views, width),
        "item": lambda: ItemGate(num_views, width),
        "attention": lambda: ViewAttention(width, stream),
    }
    return made[name]()
