"""Transformers that read a sequence of item vectors; the causal one of SASRec, ICDM 2018.

Sequences are padded on the right: a causal mask then already hides the padding from every real
position, so no row is ever fully masked (its softmax would be NaN) and one fused kernel serves.
Positions are counted from each user's last item, so the most recent item has one embedding
whatever the length of the history.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedrec.models.layers.encoder import TrainingTask

MASKS_PER_BLOCK = 2  # places in a block where dropout acts: after attention, after the feed-forward


class Block(nn.Module):
    """Pre-norm transformer block: self-attention, causal or masked, then a feed-forward layer.

    Args:
        width: D, size of a token vector.
        num_heads: Heads of the attention; divides D.
        hidden: Width of the feed-forward layer.
    """

    def __init__(self, width: int, num_heads: int, hidden: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed_in = nn.Linear(width, hidden)
        self.feed_out = nn.Linear(hidden, width)

    def forward(
        self, x: Tensor, dropout_masks: Tensor | None, mask: Tensor | None = None
    ) -> Tensor:
        """Return (B, L, D); without a mask, position l depends on positions 0..l only.

        Args:
            x: (B, L, D) Token vectors.
            dropout_masks: (2, B, L, D) Dropout masks after attention and feed-forward, or none.
            mask: Instead of the causal one, of a shape that broadcasts to (B, heads, L, L): true
                where a position looks at another, or what is added to the attention's scores.
        """
        attended = self.attention_out(self._attend(self.attention_norm(x), mask))
        x = x + (attended if dropout_masks is None else attended * dropout_masks[0])
        fed = self.feed_out(functional.gelu(self.feed_in(self.feed_norm(x))))
        out: Tensor = x + (fed if dropout_masks is None else fed * dropout_masks[1])
        return out

    def _attend(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        batch, length, width = x.shape
        heads = self.query_key_value(x).view(batch, length, 3, self.num_heads, -1)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        out = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=mask is None
        )
        return out.transpose(1, 2).reshape(batch, length, width)


class Transformer(nn.Module):
    """Base transformer: positions, dropout, blocks, final norm; subclasses choose attention masks.

    Args:
        width: D.
        num_blocks: Number of blocks.
        num_heads: Heads of each block.
        max_length: Length of the longest sequence that has positions of its own.
        hidden: Width of the feed-forward layers.
    """

    task: TrainingTask = "next"
    needs_times = False
    histories_together = 8  # every operation goes over all positions at once, so few will do

    def __init__(
        self, width: int, num_blocks: int, num_heads: int, max_length: int, hidden: int
    ) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(max_length, width))
        self.blocks = nn.ModuleList(Block(width, num_heads, hidden) for _ in range(num_blocks))
        self.final_norm = nn.LayerNorm(width)

    @property
    def num_dropout_masks(self) -> int:
        """Number of dropout masks of one forward pass."""
        return 1 + MASKS_PER_BLOCK * len(self.blocks)

    def through(
        self,
        x: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None,
        masks: Sequence[Tensor | None],
    ) -> Tensor:
        """Return the state (B, L, D) at each item.

        Args:
            x: (B, L, D) Item vectors, padded on the right.
            lengths: (B,) Number of real items in each row, at least 1.
            dropout_masks: (num_dropout_masks, B, L, D) 0 or 1 / (1 - p); none at inference.
            masks: Attention mask of each block; see ``Block``.
        """
        from_end = lengths[:, None] - 1 - torch.arange(x.shape[1], device=x.device)
        x = x + self.positions[from_end.clamp(min=0)]
        if dropout_masks is not None:
            x = x * dropout_masks[0]
        for number, (block, mask) in enumerate(zip(self.blocks, masks, strict=True)):
            first = 1 + MASKS_PER_BLOCK * number
            own = None if dropout_masks is None else dropout_masks[first : first + MASKS_PER_BLOCK]
            x = block(x, own, mask)
        out: Tensor = self.final_norm(x)
        return out


class CausalTransformer(Transformer):
    """Transformer with causal self-attention: to the position itself and those before it."""

    def forward(self, x: Tensor, lengths: Tensor, dropout_masks: Tensor | None = None) -> Tensor:
        """Return the state (B, L, D) after each item; see ``Transformer.through``."""
        return self.through(x, lengths, dropout_masks, [None] * len(self.blocks))
