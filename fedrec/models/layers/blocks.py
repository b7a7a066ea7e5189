"""Transformer blocks: pre-norm, SASRec's own, and LiGR's.

Dropout masks come as (num_dropout_masks, B, L, D), drawn at the length of each user, so that no
mask depends on who shares the batch. Where a block drops more numbers of a position than D, as
inside the feed-forward layer or among the attention weights of a position, it takes them from as
many masks as hold them.

To add a block: its class and its line in ``BLOCKS``, and its name in
``fedrec.config.values.choices``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedrec.models.layers.attention import attend

# Rows of a product of few: with fewer than 16, some libraries add in another order.
LEAST_ROWS = 32


class Block(nn.Module, ABC):
    """Base of transformer blocks: self-attention, then a feed-forward layer.

    Args:
        width: D, size of a token vector.
        num_heads: Heads of the attention; divides D.
        hidden: H, width of the feed-forward layer.
        max_length: Length of the longest sequence.
    """

    def __init__(self, width: int, num_heads: int, hidden: int, max_length: int) -> None:
        super().__init__()
        self.num_heads = num_heads

    @property
    @abstractmethod
    def num_dropout_masks(self) -> int:
        """Number of dropout masks of one forward pass."""

    def forward(
        self, x: Tensor, dropout_masks: Tensor | None, mask: Tensor | None = None
    ) -> Tensor:
        """Return (B, L, D); without a mask, position l depends on positions 0..l only.

        Args:
            x: (B, L, D) Token vectors.
            dropout_masks: (num_dropout_masks, B, L, D) Dropout masks, or none.
            mask: Instead of the causal one, of a shape that broadcasts to (B, heads, L, L): true
                where a position looks at another, or what is added to the attention's scores.
        """
        return self.behind(*self.attended(x, dropout_masks, mask), dropout_masks)

    def last(self, x: Tensor, places: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, D), what ``forward`` gives at one place of each row, without dropout.

        Keys and values come from all positions; what is behind attention is computed at the places
        alone, in products of at least ``LEAST_ROWS`` rows.

        Args:
            x: (B, L, D) Token vectors.
            places: (B,) One position of each row.
            mask: As for ``forward``.
        """
        residual, attended = self.attended(x, None, mask)
        rows = torch.arange(max(len(x), LEAST_ROWS), device=x.device) % len(x)
        at = places[rows]
        return self.behind(residual[rows, at], attended[rows, at], None)[: len(x)]

    @abstractmethod
    def attended(
        self, x: Tensor, dropout_masks: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Residual and attended values (B, L, D); of ``forward``'s arguments."""

    @abstractmethod
    def behind(self, residual: Tensor, attended: Tensor, dropout_masks: Tensor | None) -> Tensor:
        """Output (..., D) of the block from what ``attended`` gives (..., D)."""

    def _heads(self, projected: Tensor, copies: int) -> Tensor:
        """(copies, B, heads, L, E) of projections (B, L, copies * D)."""
        split = projected.view(*projected.shape[:2], copies, self.num_heads, -1)
        return split.permute(2, 0, 3, 1, 4)


def _joined(heads: Tensor) -> Tensor:
    """(B, L, D) of attended values (B, heads, L, E)."""
    return heads.transpose(1, 2).flatten(2)


def masks_of_blocks(
    dropout_masks: Tensor | None, blocks: Sequence[Block]
) -> Sequence[Tensor | None]:
    """The dropout masks (num_dropout_masks, ...) of each block, or none of any.

    Args:
        dropout_masks: (n, ...) Those of the embeddings, then of each block in turn, or none.
        blocks: Blocks of a transformer.
    """
    if dropout_masks is None:
        return [None] * len(blocks)
    ends = accumulate((block.num_dropout_masks for block in blocks), initial=1)
    return [dropout_masks[first:past] for first, past in pairwise(ends)]


class PreNormBlock(Block):
    """Pre-norm block with GELU; dropout after attention and after the feed-forward layer.

    The order of Xiong et al., ICML 2020, and of GPT-2: x + f(norm(x)).
    """

    def __init__(self, width: int, num_heads: int, hidden: int, max_length: int) -> None:
        super().__init__(width, num_heads, hidden, max_length)
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed_in = nn.Linear(width, hidden)
        self.feed_out = nn.Linear(hidden, width)

    @property
    def num_dropout_masks(self) -> int:
        """After attention, after the feed-forward layer."""
        return 2

    def attended(
        self, x: Tensor, dropout_masks: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The input, and what its norm attends to; see ``Block``."""
        return x, self._attend(self.attention_norm(x), mask)

    def _attend(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        query, key, value = self._heads(self.query_key_value(x), 3)
        return _joined(attend(query, key, value, mask))

    def behind(self, residual: Tensor, attended: Tensor, dropout_masks: Tensor | None) -> Tensor:
        """Projection and feed-forward layer, each added to what came before; see ``Block``."""
        attended = self.attention_out(attended)
        x = residual + (attended if dropout_masks is None else attended * dropout_masks[0])
        fed = self.feed_out(functional.gelu(self.feed_in(self.feed_norm(x))))
        out: Tensor = x + (fed if dropout_masks is None else fed * dropout_masks[1])
        return out


class SASRecBlock(Block):
    """Block of SASRec: the residual carries the normed queries, and the feed-forward layer is ReLU.

    Queries are normed, keys and values are not; dropout acts on the attention weights, inside the
    feed-forward layer and behind it. Kang & McAuley, ICDM 2018, as their code
    (https://github.com/kang205/SASRec) computes it, with a projection behind attention as in
    https://github.com/antklen/sasrec-bert4rec-recsys23; norms have torch's epsilon.
    """

    def __init__(self, width: int, num_heads: int, hidden: int, max_length: int) -> None:
        super().__init__(width, num_heads, hidden, max_length)
        self.attention_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.attention_out = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed_in = nn.Linear(width, hidden)
        self.feed_out = nn.Linear(hidden, width)
        self.hidden, self.max_length = hidden, max_length
        self.masks_of_attention = -(-num_heads * max_length // width)
        self.masks_of_hidden = -(-hidden // width)

    @property
    def num_dropout_masks(self) -> int:
        """Those of a position's attention weights, of its hidden layer, and one behind it."""
        return self.masks_of_attention + self.masks_of_hidden + 1

    def attended(
        self, x: Tensor, dropout_masks: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The normed queries, and what they attend to; see ``Block``."""
        of_weights = None
        if dropout_masks is not None:
            of_weights = self.factors_of_weights(dropout_masks[: self.masks_of_attention])
        normed = self.attention_norm(x)
        [query], [key, value] = (
            self._heads(self.query(normed), 1),
            self._heads(self.key_value(x), 2),
        )
        return normed, _joined(attend(query, key, value, mask, of_weights))

    def behind(self, residual: Tensor, attended: Tensor, dropout_masks: Tensor | None) -> Tensor:
        """Projection, norm and feed-forward layer; see ``Block``."""
        of_hidden = None if dropout_masks is None else self.factors_of_hidden(dropout_masks)
        x = self.feed_norm(residual + self.attention_out(attended))
        hidden = self.feed_in(x)
        # A factor above 0 before ReLU is the same as one behind it.
        hidden = functional.relu(hidden if of_hidden is None else hidden * of_hidden)
        fed = self.feed_out(hidden)
        out: Tensor = x + (fed if dropout_masks is None else fed * dropout_masks[-1])
        return out

    def factors_of_weights(self, dropout_masks: Tensor) -> Tensor:
        """Factors (B, heads, L, L) of the attention weights of each position's keys, in order.

        Args:
            dropout_masks: (masks_of_attention, B, L, D) The first dropout masks of the block.
        """
        _, batch, length, width = dropout_masks.shape
        if self.num_heads == 1:  # no more than there are keys
            return _wide(dropout_masks[: -(-length // width)])[..., None, :length].transpose(1, 2)
        drawn = _wide(dropout_masks)[..., : self.num_heads * self.max_length]
        by_head = drawn.reshape(batch, length, self.num_heads, self.max_length)
        return by_head[..., :length].transpose(1, 2)

    def factors_of_hidden(self, dropout_masks: Tensor) -> Tensor:
        """Factors (B, L, H) inside the feed-forward layer, from all dropout masks of the block."""
        return _wide(dropout_masks[self.masks_of_attention : -1])[..., : self.hidden]


class LiGRBlock(Block):
    """Block of LiGR: pre-norm, each branch times a gate of its input, and SwiGLU.

    x + sigmoid(W x) * f(norm(x)), of "From Features to Transformers" (LinkedIn, arXiv 2502.03417)
    and eSASRec (RecSys 2025). Dropout acts after each branch alone, not on attention weights or
    inside the feed-forward layer, and all layers have biases.
    """

    def __init__(self, width: int, num_heads: int, hidden: int, max_length: int) -> None:
        super().__init__(width, num_heads, hidden, max_length)
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.attention_gate = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed_in = nn.Linear(width, 2 * hidden)
        self.feed_out = nn.Linear(hidden, width)
        self.feed_gate = nn.Linear(width, width)

    @property
    def num_dropout_masks(self) -> int:
        """After attention, after the feed-forward layer."""
        return 2

    def attended(
        self, x: Tensor, dropout_masks: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The input, and what its norm attends to; see ``Block``."""
        query, key, value = self._heads(self.query_key_value(self.attention_norm(x)), 3)
        return x, _joined(attend(query, key, value, mask))

    def behind(self, residual: Tensor, attended: Tensor, dropout_masks: Tensor | None) -> Tensor:
        """Gated projection, then the gated feed-forward layer; see ``Block``."""
        attended = self.attention_out(attended)
        gate = torch.sigmoid(self.attention_gate(residual))
        x = residual + gate * (attended if dropout_masks is None else attended * dropout_masks[0])
        slope, value = self.feed_in(self.feed_norm(x)).chunk(2, dim=-1)
        fed = self.feed_out(functional.silu(slope) * value)
        gate = torch.sigmoid(self.feed_gate(x))
        out: Tensor = x + gate * (fed if dropout_masks is None else fed * dropout_masks[1])
        return out


def _wide(dropout_masks: Tensor) -> Tensor:
    """(B, L, n * D) of n masks (n, B, L, D), one behind the other."""
    return dropout_masks.permute(1, 2, 0, 3).flatten(2)


BLOCKS: Mapping[str, type[Block]] = {
    "pre-norm": PreNormBlock,
    "sasrec": SASRecBlock,
    "ligr": LiGRBlock,
}
