"""Causal attention over the windows of a group: exact, deterministic, quick on short windows."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from fedrec.models.layers.attention import attended_tiles, gradient_of_tiles
from fedrec.training.cohort.batches import Rectangle

Back = Callable[[Tensor], Tensor]  # gradient of what came out -> gradient of what went in


def causal_attention(
    projected: Tensor, parts: Sequence[Rectangle], num_heads: int
) -> tuple[Tensor, Back]:
    """Attended values (U, M, D) of positions that look at themselves and what precedes them.

    Args:
        projected: (U, M, 3 * D) Queries, keys and values, each with all heads in a row.
        parts: Rectangles where windows lie among the M columns; together they fill them.
        num_heads: Heads; divides D.

    Returns:
        The attended values, and the way back.
    """
    if projected.is_cuda:
        return _fused(projected, parts, num_heads)
    out = projected.new_empty(*projected.shape[:2], projected.shape[2] // 3)
    done = []
    for part in parts:
        query, key, value = heads = _split(projected, part, num_heads, 3).flatten(1, 3)
        attended, weights = attended_tiles(query, key, value)
        places = _split(out, part, num_heads, 1)
        places.copy_(attended.view(places.shape))
        done.append((part, heads, weights))

    def back(gradient: Tensor) -> Tensor:
        to_projected = torch.empty_like(projected)
        for part, heads, weights in done:
            own = _split(gradient, part, num_heads, 1).flatten(0, 3)
            places = _split(to_projected, part, num_heads, 3)
            query, key, value = heads
            moved = gradient_of_tiles(query, key, value, weights, own)
            places.copy_(moved.view(places.shape))
        return to_projected

    return out, back


def _fused(projected: Tensor, parts: Sequence[Rectangle], num_heads: int) -> tuple[Tensor, Back]:
    with torch.enable_grad():
        leaf = projected.detach().requires_grad_()
        outs = []
        for part in parts:
            windows = part.cut(leaf)
            heads = windows.view(*windows.shape[:2], 3, num_heads, -1)
            query, key, value = heads.permute(2, 0, 3, 1, 4)
            own = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            outs.append(own.transpose(1, 2).reshape(len(projected), part.count * part.length, -1))
        out = torch.cat(outs, dim=1)
    return out.detach(), lambda gradient: torch.autograd.grad(out, leaf, gradient)[0]


def _split(array: Tensor, part: Rectangle, num_heads: int, copies: int) -> Tensor:
    """A view (copies, U, B, H, L, E) of the rectangle in an array (U, M, copies * H * E)."""
    own = array.narrow(1, part.first, part.count * part.length)
    split = own.view(len(array), part.count, part.length, copies, num_heads, -1)
    return split.permute(3, 0, 1, 4, 2, 5)
