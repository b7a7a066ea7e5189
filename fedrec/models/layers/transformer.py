"""Transformers that read a sequence of item vectors; the causal one of SASRec, ICDM 2018.

Sequences are padded on the right: a causal mask then already hides the padding from every real
position, so no row is ever fully masked (its softmax would be NaN) and one fused kernel serves.
Positions are counted from each user's last item, so that the most recent item has one embedding
whatever the length of the history; or from the first one, as
in https://github.com/antklen/sasrec-bert4rec-recsys23.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from fedrec.models.layers.blocks import (
    BLOCKS,
    Block,
    PreNormBlock,
    SASRecBlock,
    masks_of_blocks,
)
from fedrec.models.layers.encoder import TrainingTask
from fedrec.native.encoder import (
    PRE_NORM,
    SASREC,
    EncoderShape,
    Windows,
    encode_last,
    encode_windows,
)


class Transformer(nn.Module):
    """Base transformer: positions, dropout, blocks, final norm; subclasses choose attention masks.

    Args:
        width: D.
        num_blocks: Number of blocks.
        num_heads: Heads of each block.
        max_length: Length of the longest sequence that has positions of its own.
        hidden: Width of the feed-forward layers.
        block: Name of the kind of block; see ``fedrec.models.layers.blocks``.
        positions: "from-last" or "from-first": the item from which positions are counted.
    """

    task: TrainingTask = "next"
    needs_times = False
    histories_together = 8  # every operation goes over all positions at once, so few will do

    def __init__(
        self,
        width: int,
        num_blocks: int,
        num_heads: int,
        max_length: int,
        hidden: int,
        *,
        block: str = "pre-norm",
        positions: str = "from-last",
    ) -> None:
        super().__init__()
        self.counts_from_first = positions == "from-first"
        self.uses_kernel = False
        self.positions = nn.Parameter(torch.zeros(max_length, width))
        kind = BLOCKS[block]
        self.blocks = nn.ModuleList(
            kind(width, num_heads, hidden, max_length) for _ in range(num_blocks)
        )
        self.final_norm = nn.LayerNorm(width)

    @property
    def typed_blocks(self) -> Sequence[Block]:
        """The blocks, as what they are."""
        return cast(Sequence[Block], self.blocks)

    @property
    def num_dropout_masks(self) -> int:
        """Number of dropout masks of one forward pass."""
        return 1 + sum(block.num_dropout_masks for block in self.typed_blocks)

    def through(
        self,
        x: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None,
        masks: Sequence[Tensor | None],
        *,
        last: bool = False,
    ) -> Tensor:
        """Return the state (B, L, D) at each item, or only that of the last items (B, D).

        Args:
            x: (B, L, D) Item vectors, padded on the right.
            lengths: (B,) Number of real items in each row, at least 1.
            dropout_masks: (num_dropout_masks, B, L, D) 0 or 1 / (1 - p); none at inference.
            masks: Attention mask of each block; see ``Block``.
            last: Whether to return the states of the last items alone, at inference.
        """
        places = torch.arange(x.shape[1], device=x.device)
        if not self.counts_from_first:
            places = (lengths[:, None] - 1 - places).clamp(min=0)
        x = x + self.positions[places]
        if dropout_masks is not None:
            x = x * dropout_masks[0]
        blocks = self.typed_blocks
        own = masks_of_blocks(dropout_masks, blocks)
        whole = len(blocks) - last
        for block, factors, mask in zip(blocks[:whole], own, masks, strict=False):
            x = block(x, factors, mask)
        if last:
            x = self._last(x, lengths - 1, blocks[whole:], masks[whole:])
        out: Tensor = self.final_norm(x)
        return out

    def _last(
        self, x: Tensor, places: Tensor, blocks: Sequence[Block], masks: Sequence[Tensor | None]
    ) -> Tensor:
        """States (B, D) behind the last block, if there is one, at one place of each row."""
        for block, mask in zip(blocks, masks, strict=True):
            return block.last(x, places, mask)
        return x[torch.arange(len(x), device=x.device), places]


class CausalTransformer(Transformer):
    """Transformer with causal self-attention: to the position itself and those before it."""

    def forward(
        self,
        x: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None = None,
        *,
        last: bool = False,
    ) -> Tensor:
        """Return states (B, L, D) after all items or (B, D) after the last; see ``through``.

        By the kernel, states at padding are 0.
        """
        shape = kernel_shape(self, x) if self.uses_kernel else None
        if shape is None:
            return self.through(x, lengths, dropout_masks, [None] * len(self.blocks), last=last)
        count, length, width = x.shape
        windows = Windows(
            first=torch.arange(count) * length,
            length=lengths.to(torch.int64).contiguous(),
            set=torch.zeros(count, dtype=torch.int64),
        )
        masks = None if dropout_masks is None else dropout_masks.reshape(-1, count * length, width)
        arrays = list(self.parameters())
        if last:
            return encode_last(x.reshape(-1, width), windows, shape, arrays)
        return encode_windows(x.reshape(-1, width), windows, masks, shape, arrays, 1).view_as(x)


KERNEL_BLOCKS: dict[type[Block], int] = {PreNormBlock: PRE_NORM, SASRecBlock: SASREC}


def kernel_shape(transformer: CausalTransformer, x: Tensor) -> EncoderShape | None:
    """Shape of a transformer for the kernel; none where it cannot compute it from items ``x``."""
    blocks = list(transformer.typed_blocks)
    first = blocks[0] if blocks else None
    kind = next(
        (number for block, number in KERNEL_BLOCKS.items() if isinstance(first, block)), None
    )
    is_plain = x.device.type == "cpu" and x.dtype == transformer.positions.dtype == torch.float32
    if first is None or kind is None or not is_plain or torch._C._are_functorch_transforms_active():
        return None
    shape = EncoderShape(
        width=x.shape[-1],
        hidden=cast(nn.Linear, first.feed_in).weight.shape[-2],
        heads=first.num_heads,
        blocks=len(blocks),
        kind=kind,
        positions=transformer.positions.shape[-2],
        from_first=transformer.counts_from_first,
    )
    return shape if shape.is_possible and x.shape[0] > 0 else None
