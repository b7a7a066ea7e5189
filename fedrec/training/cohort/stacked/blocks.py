"""Transformer blocks of S weight sets, forward and backward by hand.

Written down, the norm's own weights are folded into the linear layer behind it where nothing else
reads the norm, the norms' inputs need not be kept, and gradients of the stream are added where
they lie. Every piece returns its result and its way back. Arrays come in the order of the
parameters of ``fedrec.models.layers.blocks``, each with a leading axis S.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fedrec.models.layers.attention import attend, attended_tiles, gradient_of_tiles
from fedrec.models.layers.blocks import Block, PreNormBlock, SASRecBlock
from fedrec.training.cohort.groups.batches import Rectangle
from fedrec.training.cohort.stacked.layers import linear, norm, normed_linear

Back = Callable[[Tensor], Tensor]  # gradient of what came out -> gradient of what went in
# gradient of the stream behind a block -> of the stream before it, and of the block's arrays
BlockBack = Callable[[Tensor], tuple[Tensor, list[Tensor]]]
Forward = Callable[
    [Tensor, Sequence[Tensor], "Layout", Block, Tensor | None], tuple[Tensor, BlockBack]
]


class Layout(NamedTuple):
    """Layout of the encoder's input (U, M, D).

    Attributes:
        indices: (U * M,) Row of the flattened positions (S * P, D) that each column takes.
        parts: Rectangles where windows lie among the M columns.
        dropout_masks: (num_masks, U, M, D) Dropout masks or none.
        num_heads: Number of attention heads.
        eps: Epsilon of the layer norms.
    """

    indices: Tensor
    parts: Sequence[Rectangle]
    dropout_masks: Tensor | None
    num_heads: int
    eps: float


def pre_norm(
    stream: Tensor,
    own: Sequence[Tensor],
    layout: Layout,
    block: Block,
    dropout_masks: Tensor | None,
) -> tuple[Tensor, BlockBack]:
    """The stream (U, M, D) behind a pre-norm block, in the place of the one before it.

    Args:
        stream: (U, M, D) Token vectors; overwritten.
        own: Arrays of the block.
        layout: Layout of the input.
        block: The plain block, for its shape.
        dropout_masks: (2, U, M, D) Dropout masks, or none.
    """
    done = []
    for place, half in enumerate((_attention, _feed)):
        factors = None if dropout_masks is None else dropout_masks[place]
        out, back_half = half(stream, own, layout)
        stream = stream.add_(out) if factors is None else stream.addcmul_(out, factors)
        done.append((back_half, factors))

    def back(gradient: Tensor) -> tuple[Tensor, list[Tensor]]:
        arrays: list[Tensor] = []
        while done:  # what a branch has kept goes as soon as it has been used
            back_half, factors = done.pop()
            more, rate, moved = back_half(gradient if factors is None else gradient * factors)
            gradient.addcmul_(more, rate)
            arrays = [*moved, *arrays]
        return gradient, arrays

    return stream, back


# gradient of a branch -> of the stream before its norm, in units of ``rate``; ``rate``; arrays
BranchBack = Callable[[Tensor], tuple[Tensor, Tensor, list[Tensor]]]


def _attention(stream: Tensor, own: Sequence[Tensor], layout: Layout) -> tuple[Tensor, BranchBack]:
    projected, back_in = normed_linear(stream, *own[:4], eps=layout.eps)
    attended, back_attention = causal_attention(
        projected, layout.parts, layout.num_heads, [None] * len(layout.parts)
    )
    out, back_out = linear(attended, *own[4:6])

    def back(gradient: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        to_attended, *to_out = back_out(gradient)
        to_stream, rate, *to_in = back_in(back_attention(to_attended))
        return to_stream, rate, [*to_in, *to_out]

    return out, back


def _feed(stream: Tensor, own: Sequence[Tensor], layout: Layout) -> tuple[Tensor, BranchBack]:
    hidden, back_in = normed_linear(stream, *own[6:10], eps=layout.eps)
    out, back_out = linear(torch.nn.functional.gelu(hidden), *own[10:])

    def back(gradient: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        to_active, *to_out = back_out(gradient)
        to_stream, rate, *to_in = back_in(torch.ops.aten.gelu_backward(to_active, hidden))
        return to_stream, rate, [*to_in, *to_out]

    return out, back


def sasrec(
    stream: Tensor,
    own: Sequence[Tensor],
    layout: Layout,
    block: Block,
    dropout_masks: Tensor | None,
) -> tuple[Tensor, BlockBack]:
    """The stream (U, M, D) behind SASRec's block; the arguments are those of ``pre_norm``."""
    assert isinstance(block, SASRecBlock)
    of_hidden = behind = None
    of_weights: list[Tensor | None] = [None] * len(layout.parts)
    if dropout_masks is not None:
        cut = [part.cut(dropout_masks[: block.masks_of_attention], 1) for part in layout.parts]
        of_weights = [block.factors_of_weights(masks) for masks in cut]
        of_hidden = block.factors_of_hidden(dropout_masks)
        behind = dropout_masks[-1]
    width = stream.shape[-1]
    normed, back_normed = norm(stream, *own[:2], eps=layout.eps)
    query, back_query = linear(normed, *own[2:4])
    key_value, back_key_value = linear(stream, *own[4:6])
    attended, back_attention = causal_attention(
        torch.cat([query, key_value], dim=-1), layout.parts, layout.num_heads, of_weights
    )
    mixed, back_mixed = linear(attended, *own[6:8])
    fed_in, back_fed_in = norm(mixed.add_(normed), *own[8:10], eps=layout.eps)
    hidden, back_hidden = linear(fed_in, *own[10:12])
    active = (hidden if of_hidden is None else hidden.mul_(of_hidden)).relu_()
    out, back_out = linear(active, *own[12:])
    out = (out if behind is None else out.mul_(behind)).add_(fed_in)

    def back(gradient: Tensor) -> tuple[Tensor, list[Tensor]]:
        to_active, *to_feed_out = back_out(gradient if behind is None else gradient * behind)
        to_active.masked_fill_(active <= 0, 0)
        to_hidden = to_active if of_hidden is None else to_active.mul_(of_hidden)
        to_fed_in, *to_feed_in = back_hidden(to_hidden)
        to_mixed, *to_feed_norm = back_fed_in(to_fed_in.add_(gradient))
        to_attended, *to_attention_out = back_mixed(to_mixed)
        projected = back_attention(to_attended)
        to_normed, *to_query = back_query(projected[..., :width].contiguous())
        to_stream, *to_attention_norm = back_normed(to_normed.add_(to_mixed))
        more, *to_key_value = back_key_value(projected[..., width:].contiguous())
        arrays = [to_attention_norm, to_query, to_key_value, to_attention_out]
        arrays += [to_feed_norm, to_feed_in, to_feed_out]
        return to_stream.add_(more), [array for some in arrays for array in some]

    return out, back


def causal_attention(
    projected: Tensor,
    parts: Sequence[Rectangle],
    num_heads: int,
    dropout_masks: Sequence[Tensor | None],
) -> tuple[Tensor, Back]:
    """Attended values (U, M, D) of positions that look at themselves and what precedes them.

    Args:
        projected: (U, M, 3 * D) Queries, keys and values, each with all heads in a row.
        parts: Rectangles where windows lie among the M columns; together they fill them.
        num_heads: Heads; divides D.
        dropout_masks: Of each rectangle (U * B, H, L, L), factors of the weights, or none.

    Returns:
        The attended values, and the way back.
    """
    if projected.is_cuda:
        return _fused(projected, parts, num_heads, dropout_masks)
    out = projected.new_empty(*projected.shape[:2], projected.shape[2] // 3)
    done = []
    for part, masks in zip(parts, dropout_masks, strict=True):
        query, key, value = heads = _split(projected, part, num_heads, 3).flatten(1, 3)
        flat = None if masks is None else masks.flatten(0, 1)
        attended, weights = attended_tiles(query, key, value, flat)
        places = _split(out, part, num_heads, 1)
        places.copy_(attended.view(places.shape))
        done.append((part, heads, weights, flat))

    def back(gradient: Tensor) -> Tensor:
        to_projected = torch.empty_like(projected)
        for part, heads, weights, masks in done:
            own = _split(gradient, part, num_heads, 1).flatten(0, 3)
            places = _split(to_projected, part, num_heads, 3)
            query, key, value = heads
            moved = gradient_of_tiles(query, key, value, weights, own, masks)
            places.copy_(moved.view(places.shape))
        return to_projected

    return out, back


def _fused(
    projected: Tensor,
    parts: Sequence[Rectangle],
    num_heads: int,
    dropout_masks: Sequence[Tensor | None],
) -> tuple[Tensor, Back]:
    with torch.enable_grad():
        leaf = projected.detach().requires_grad_()
        outs = []
        for part, masks in zip(parts, dropout_masks, strict=True):
            windows = part.cut(leaf)
            heads = windows.view(*windows.shape[:2], 3, num_heads, -1)
            query, key, value = heads.permute(2, 0, 3, 1, 4)
            own = attend(query, key, value, dropout_masks=masks)
            outs.append(own.transpose(1, 2).reshape(len(projected), part.count * part.length, -1))
        out = torch.cat(outs, dim=1)
    return out.detach(), lambda gradient: torch.autograd.grad(out, leaf, gradient)[0]


def _split(array: Tensor, part: Rectangle, num_heads: int, copies: int) -> Tensor:
    """A view (copies, U, B, H, L, E) of the rectangle in an array (U, M, copies * H * E)."""
    own = array.narrow(1, part.first, part.count * part.length)
    split = own.view(len(array), part.count, part.length, copies, num_heads, -1)
    return split.permute(3, 0, 1, 4, 2, 5)


def way_by_hand(block: Block) -> Forward | None:
    """What computes with the arrays of a stacked block; none where autograd has to."""
    if isinstance(block, PreNormBlock):
        return pre_norm
    return sasrec if isinstance(block, SASRecBlock) else None
