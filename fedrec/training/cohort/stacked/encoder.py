"""Transformer of S weight sets, forward and backward by hand, as one autograd node.

Left to autograd, every small step of a block would be a node with results of its own.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fedrec.models.layers.blocks import Block, masks_of_blocks
from fedrec.training.cohort.stacked.blocks import Layout, way_by_hand
from fedrec.training.cohort.stacked.layers import norm


def encoded(
    x: Tensor,
    layout: Layout,
    positions: Tensor,
    blocks: Sequence[Block],
    final_scale: Tensor,
    final_shift: Tensor,
) -> Tensor:
    """States (U, M, D) after each item; see ``CausalTransformer``.

    Args:
        x: (U, M, D) Item vectors, sorted by set.
        layout: Layout of the input.
        positions: (S, P, D) States at the positions.
        blocks: Stacked blocks, all with a ``way_by_hand``.
        final_scale: (S, D) Final scale of the last norm.
        final_shift: (S, D) Final shift of the last norm.
    """
    weights = [array for block in blocks for array in block.parameters()]
    out: Tensor = _Encoder.apply(  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        x, layout, blocks, positions, *weights, final_scale, final_shift
    )
    return out


class _Encoder(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        layout: Layout,
        blocks: Sequence[Block],
        positions: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        """States (U, M, D) of items (U, M, D), positions (S, P, D) and the arrays of all blocks."""
        ctx.layout, ctx.shape = layout, positions.shape
        masks = layout.dropout_masks
        flat = positions.reshape(-1, x.shape[-1])
        stream = flat.index_select(0, layout.indices).view_as(x).add_(x)
        if masks is not None:
            stream.mul_(masks[0])
        ctx.backs = []
        begin = 0
        for block, own_masks in zip(blocks, masks_of_blocks(masks, blocks), strict=True):
            end = begin + sum(1 for _ in block.parameters())
            forward = way_by_hand(block)
            assert forward is not None  # or autograd would have been taken
            stream, back = forward(stream, weights[begin:end], layout, block, own_masks)
            ctx.backs.append(back)
            begin = end
        scale, shift = weights[-2:]
        out, ctx.last = norm(stream, scale, shift, eps=layout.eps)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        stream, *last = ctx.last(gradient)
        ctx.last = None
        arrays: list[Tensor] = []
        while ctx.backs:  # what a block has kept goes as soon as it has been used
            stream, own = ctx.backs.pop()(stream)
            arrays = [*own, *arrays]
        if ctx.layout.dropout_masks is not None:
            stream.mul_(ctx.layout.dropout_masks[0])
        sets, longest, width = ctx.shape
        to_positions = stream.new_zeros(sets * longest, width)
        to_positions.index_add_(0, ctx.layout.indices, stream.view(-1, width))
        return stream, None, None, to_positions.view(ctx.shape), *arrays, *last
