"""Attention of the transformer blocks, with or without dropout on its weights.

On a CPU the backward pass of torch's fused attention takes as long as all other layers together,
and with dropout masks of our own there is none. Written as batched products over tiles of queries,
each with the keys up to its end, it costs a fraction of that at 50 positions and half at 200, and
no product spends time on masked tiles.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

TILE = 64  # queries at a time


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    dropout_masks: Tensor | None = None,
) -> Tensor:
    """Attended values (B, H, L, E); without a mask, each position sees itself and those before.

    Args:
        query: (B, H, L, E) Queries of H heads.
        key: (B, H, L, E) Keys.
        value: (B, H, L, E) Values.
        mask: Of a shape that broadcasts to (B, H, L, L): true where a position looks at another,
            or what is added to the scores.
        dropout_masks: (B, H, L, L) Factors of the attention weights, 0 or 1 / (1 - p), or none.
    """
    if dropout_masks is None:
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=mask is None
        )
    is_plain = query.device.type == "cpu" and not torch._C._are_functorch_transforms_active()
    if mask is None and is_plain:
        flat = [one.flatten(0, 1) for one in (query, key, value, dropout_masks)]
        # torch leaves ``apply`` unannotated
        out: Tensor = _CausalAttention.apply(*flat)  # type: ignore[no-untyped-call]
        return out.view_as(query)
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    if mask is None:
        scores = scores + _hidden(0, query.shape[-2], query.dtype).to(query.device)
    elif mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, -torch.inf)
    else:
        scores = scores + mask
    return (scores.softmax(dim=-1) * dropout_masks) @ value


class _CausalAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, dropout_masks: Tensor
    ) -> Tensor:
        """(N, L, E) from queries, keys, values (N, L, E) and dropout masks (N, L, L)."""
        out, weights = attended_tiles(query, key, value, dropout_masks)
        ctx.save_for_backward(query, key, value, dropout_masks, *weights)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, dropout_masks, *weights = ctx.saved_tensors
        moved = gradient_of_tiles(query, key, value, weights, gradient, dropout_masks)
        return (*moved, None)


def attended_tiles(
    query: Tensor, key: Tensor, value: Tensor, dropout_masks: Tensor | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Causally attended values (N, L, E) of N heads, and each tile's attention weights.

    The weights are those before dropout.

    Args:
        query: (N, L, E) Queries.
        key: (N, L, E) Keys.
        value: (N, L, E) Values.
        dropout_masks: (N, L, L) Factors of the weights, or none.
    """
    scale = 1 / math.sqrt(query.shape[-1])
    weights, out = [], []
    for start, end in _tiles(query.shape[1]):
        scores = torch.baddbmm(
            _hidden(start, end, query.dtype), query[:, start:end], key[:, :end].mT, alpha=scale
        )
        weights.append(torch.softmax(scores, dim=-1, out=scores))
        out.append(torch.bmm(_dropped(weights[-1], dropout_masks, start, end), value[:, :end]))
    return (out[0] if len(out) == 1 else torch.cat(out, dim=1)), weights


def gradient_of_tiles(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    weights: Sequence[Tensor],
    gradient: Tensor,
    dropout_masks: Tensor | None = None,
) -> Tensor:
    """Gradient (3, N, L, E) of queries, keys and values from that of the attended (N, L, E)."""
    scale = 1 / math.sqrt(query.shape[-1])
    out = query.new_empty(3, *query.shape)
    to_query, to_key, to_value = out
    # From the last tile, which sees every key, to the first, so that sums start whole.
    tiles = _tiles(query.shape[1])
    for own, (start, end) in zip(reversed(weights), reversed(tiles), strict=True):
        here, is_first = gradient[:, start:end], end == query.shape[1]
        to_weights = torch.bmm(here, value[:, :end].mT)
        if dropout_masks is not None:
            to_weights.mul_(dropout_masks[:, start:end, :end])
        to_scores = torch._softmax_backward_data(to_weights, own, -1, query.dtype)
        dropped = _dropped(own, dropout_masks, start, end)
        _into(to_query[:, start:end], to_scores, key[:, :end], scale, afresh=True)
        _into(to_key[:, :end], to_scores.mT, query[:, start:end], scale, afresh=is_first)
        _into(to_value[:, :end], dropped.mT, here, 1.0, afresh=is_first)
    return out


def _dropped(weights: Tensor, dropout_masks: Tensor | None, start: int, end: int) -> Tensor:
    return weights if dropout_masks is None else weights * dropout_masks[:, start:end, :end]


def _into(out: Tensor, left: Tensor, right: Tensor, scale: float, *, afresh: bool) -> None:
    """Write, or add, scale * left @ right; torch's batched product wants a contiguous ``out``."""
    if out.is_contiguous():
        out.baddbmm_(left, right, beta=0 if afresh else 1, alpha=scale)
    elif afresh:
        torch.mul(torch.bmm(left, right), scale, out=out)
    else:
        out.add_(torch.bmm(left, right), alpha=scale)


def _tiles(length: int) -> list[tuple[int, int]]:
    return [(start, min(start + TILE, length)) for start in range(0, length, TILE)]


@lru_cache(maxsize=1024)
def _hidden(start: int, end: int, dtype: torch.dtype) -> Tensor:
    """(end - start, end) minus infinity where a key comes after the query, 0 elsewhere."""
    return torch.full((end - start, end), -torch.inf, dtype=dtype).triu_(start + 1)
