"""Pre-norm transformer of S weight sets, forward and backward by hand, as one autograd node.

Left to autograd, every small step of a block would be a node with results of its own. Written
down, the stream through the blocks is one tensor that each block adds to, the norms' inputs need
not be kept, the norm's own weights are folded into the linear layer behind it, and gradients of
the stream are added where they lie. Every piece returns its result and its way back.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fedrec.training.cohort.attention import causal_attention
from fedrec.training.cohort.batches import Rectangle
from fedrec.training.cohort.stacked_layers import neutral

MASKS_PER_BLOCK = 2  # of a pre-norm block: after attention, after the feed-forward layer


class BlockWeights(NamedTuple):
    """The arrays of a block in the order of its parameters, each with a leading axis S."""

    attention_scale: Tensor
    attention_shift: Tensor
    query_key_value: Tensor
    query_key_value_bias: Tensor
    attention_out: Tensor
    attention_out_bias: Tensor
    feed_scale: Tensor
    feed_shift: Tensor
    feed_in: Tensor
    feed_in_bias: Tensor
    feed_out: Tensor
    feed_out_bias: Tensor


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


def encoded(
    x: Tensor,
    layout: Layout,
    positions: Tensor,
    blocks: Sequence[BlockWeights],
    final_scale: Tensor,
    final_shift: Tensor,
) -> Tensor:
    """States (U, M, D) after each item; see ``CausalTransformer``.

    Args:
        x: (U, M, D) Item vectors, sorted by set.
        layout: Layout of the input.
        positions: (S, P, D) States at the positions.
        blocks: Their arrays.
        final_scale: (S, D) Final scale of the last norm.
        final_shift: (S, D) Final shift of the last norm.
    """
    weights = [array for block in blocks for array in block]
    out: Tensor = _Encoder.apply(  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        x, layout, positions, *weights, final_scale, final_shift
    )
    return out


class _Encoder(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layout: Layout, positions: Tensor, *weights: Tensor) -> Tensor:
        """States (U, M, D) of items (U, M, D), positions (S, P, D) and the arrays of all blocks."""
        ctx.layout, ctx.shape = layout, positions.shape
        dropout_masks = layout.dropout_masks
        flat = positions.reshape(-1, x.shape[-1])
        stream = flat.index_select(0, layout.indices).view_as(x).add_(x)
        if dropout_masks is not None:
            stream.mul_(dropout_masks[0])
        ctx.backs = []
        size = len(BlockWeights._fields)
        for number in range(len(weights) // size):
            own = BlockWeights(*weights[size * number : size * (number + 1)])
            for half, site in ((_attention, 1), (_feed, 2)):
                place = MASKS_PER_BLOCK * number + site
                factors = None if dropout_masks is None else dropout_masks[place]
                out, back = half(stream, own, layout)
                stream = stream.add_(out) if factors is None else stream.addcmul_(out, factors)
                ctx.backs.append((back, factors))
        scale, shift = weights[-2:]
        out, ctx.last = _norm(stream, scale, shift, layout.eps)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        stream, *last = ctx.last(gradient)
        ctx.last = None
        arrays: list[Tensor] = []
        while ctx.backs:  # what a branch has kept goes as soon as it has been used
            back, factors = ctx.backs.pop()
            more, rate, own = back(stream if factors is None else stream * factors)
            stream.addcmul_(more, rate)
            arrays = [*own, *arrays]
        if ctx.layout.dropout_masks is not None:
            stream.mul_(ctx.layout.dropout_masks[0])
        sets, longest, width = ctx.shape
        to_positions = stream.new_zeros(sets * longest, width)
        to_positions.index_add_(0, ctx.layout.indices, stream.view(-1, width))
        return stream, None, to_positions.view(ctx.shape), *arrays, *last


# gradient of a branch -> of the stream before its norm, in units of ``rate``; ``rate``; arrays
BranchBack = Callable[[Tensor], tuple[Tensor, Tensor, list[Tensor]]]


def _attention(stream: Tensor, own: BlockWeights, layout: Layout) -> tuple[Tensor, BranchBack]:
    projected, back_in = _normed_linear(stream, *own[:4], layout.eps)
    attended, back_attention = causal_attention(projected, layout.parts, layout.num_heads)
    out, back_out = _linear(attended, *own[4:6])

    def back(gradient: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        to_attended, *to_out = back_out(gradient)
        to_stream, rate, *to_in = back_in(back_attention(to_attended))
        return to_stream, rate, [*to_in, *to_out]

    return out, back


def _feed(stream: Tensor, own: BlockWeights, layout: Layout) -> tuple[Tensor, BranchBack]:
    hidden, back_in = _normed_linear(stream, *own[6:10], layout.eps)
    out, back_out = _linear(torch.nn.functional.gelu(hidden), *own[10:])

    def back(gradient: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        to_active, *to_out = back_out(gradient)
        to_stream, rate, *to_in = back_in(torch.ops.aten.gelu_backward(to_active, hidden))
        return to_stream, rate, [*to_in, *to_out]

    return out, back


def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Callable[..., Any]]:
    """(U, M, O) from rows of (U, M, I), weights (S, O, I) and biases (S, O)."""
    rows = x.view(len(weight), -1, x.shape[-1])
    out = torch.baddbmm(bias.unsqueeze(1), rows, weight.mT)

    def back(gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        own = gradient.view(len(weight), -1, gradient.shape[-1])
        to_rows, to_weight = torch.bmm(own, weight), torch.bmm(own.mT, rows)
        return to_rows.view_as(x), to_weight, own.sum(dim=1)

    return out.view(*x.shape[:-1], -1), back


def _normed_linear(
    x: Tensor, scale: Tensor, shift: Tensor, weight: Tensor, bias: Tensor, eps: float
) -> tuple[Tensor, Callable[..., Any]]:
    """Rows to norms n, then to W (g * n + b) + c, which is (W g) n + (W b + c).

    g and b are (S, I), W is (S, O, I), c is (S, O).
    """
    normal, rate = _normal(x, eps)
    rows = normal.view(len(weight), -1, x.shape[-1])
    # Weight sets that are all one take no more room than one.
    sets = 1 if weight.stride(0) == 0 else len(weight)
    scaled = weight[:sets] * scale[:sets].unsqueeze(1)
    shifted = torch.baddbmm(
        bias[:sets].unsqueeze(1), shift[:sets].unsqueeze(1), weight[:sets].mT
    ).expand(len(weight), 1, -1)
    scaled = scaled.expand_as(weight)
    out = torch.baddbmm(shifted, rows, scaled.mT)

    def back(gradient: Tensor) -> tuple[Tensor, ...]:
        own = gradient.view(len(weight), -1, gradient.shape[-1])
        to_x = _normal_backward(torch.bmm(own, scaled).view_as(x), normal)
        to_scaled, to_bias = torch.bmm(own.mT, rows), own.sum(dim=1)
        to_scale = (to_scaled * weight).sum(dim=1)
        to_shift = torch.bmm(to_bias.unsqueeze(1), weight).squeeze(1)
        to_weight = to_scaled.mul_(scale.unsqueeze(1))
        to_weight.addcmul_(to_bias.unsqueeze(2), shift.unsqueeze(1))
        return to_x, rate, to_scale, to_shift, to_weight, to_bias

    return out.view(*x.shape[:-1], -1), back


def _norm(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> tuple[Tensor, Callable[..., Any]]:
    """A layer norm with scale and shift of its own."""
    normal, rate = _normal(x, eps)
    rows = normal.view(len(scale), -1, x.shape[-1])
    out = torch.addcmul(shift.unsqueeze(1), rows, scale.unsqueeze(1))

    def back(gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        own = gradient.reshape(rows.shape)
        to_scale, to_shift = (own * rows).sum(dim=1), own.sum(dim=1)
        to_normal = (own * scale.unsqueeze(1)).view_as(x)
        return _normal_backward(to_normal, normal).mul_(rate), to_scale, to_shift

    return out.view_as(x), back


def _normal(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """X (..., D) with mean 0 and variance 1, and by what (..., 1) it was multiplied."""
    # With neutral weights: torch's kernel without any takes nearly twice as long.
    ones, zeros = neutral(x.shape[-1], x.dtype, x.device)
    normal, _, rate = torch.native_layer_norm(x, x.shape[-1:], ones, zeros, eps)
    return normal, rate


def _normal_backward(gradient: Tensor, normal: Tensor) -> Tensor:
    """What ``_normal`` makes of a gradient, but for the factor ``rate``; needs no input of it."""
    ones, zeros = neutral(normal.shape[-1], normal.dtype, normal.device)
    mean, rate = normal.new_zeros(*normal.shape[:-1], 1), normal.new_ones(*normal.shape[:-1], 1)
    out: Tensor
    out, _, _ = torch.ops.aten.native_layer_norm_backward(
        gradient, normal, normal.shape[-1:], mean, rate, ones, zeros, [True, False, False]
    )
    return out
