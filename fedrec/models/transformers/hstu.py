"""HSTU: pointwise attention without a softmax, gated, with biases by position and time.

Zhai et al., ICML 2024 ("Actions Speak Louder than Words"). A block of n positions, with SiLU as
phi and a norm without trained scale:

    U, V, Q, K = split(phi(W_1 norm(X)))
    Y = W_2 (norm(A V) * U) + X,   A_tj = phi(q_t . k_j + b_(t - j) + c_(s_t - s_j)) / n,   j <= t

n is ``model.max-length``, so that padding changes nothing. c is there with ``model.time =
"relative"``: s_t is the moment of the event behind position t, so that the model knows when it is
asked, and its figures are of a protocol of their own. A score is a cosine over a temperature, as in
the authors' configs (https://github.com/meta-recsys/generative-recommenders), with tied vectors;
a history is read without ratings, and each head has D / heads components of U, V, Q and K.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedrec.models.identity_rows import IdentityRows
from fedrec.models.layers.encoder import TrainingTask
from fedrec.models.layers.time_aware import SPANS, bucket
from fedrec.models.recommender import ItemTable

TEMPERATURE = 0.05
EPSILON = 1e-6


class PointwiseBlock(nn.Module):
    """One block; see the module.

    Args:
        width: D.
        num_heads: Heads.
        max_length: n, length of the longest sequence.
        reads_times: Whether it has biases by time.
    """

    def __init__(self, width: int, num_heads: int, max_length: int, *, reads_times: bool) -> None:
        super().__init__()
        self.num_heads, self.max_length = num_heads, max_length
        self.inner = nn.Linear(width, 4 * width, bias=False)
        self.outer = nn.Linear(width, width)
        self.of_distance = nn.Parameter(torch.zeros(max_length))
        self.of_span = nn.Parameter(torch.zeros(len(SPANS) + 1)) if reads_times else None

    def forward(self, x: Tensor, dropout_mask: Tensor | None, spans: Tensor | None) -> Tensor:
        """Return (B, L, D) of (B, L, D).

        Args:
            x: (B, L, D) Vectors.
            dropout_mask: (B, L, D) Dropout mask, or none.
            spans: (B, L, L) Bucket of the time from each item (last axis) to the event behind each
                position, or none.
        """
        parts = functional.silu(self.inner(_normed(x)))
        split = parts.view(*x.shape[:2], 4, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        gate, value, query, key = split
        places = torch.arange(x.shape[1], device=x.device)
        distance = places[:, None] - places
        scores = query @ key.transpose(-1, -2) + self.of_distance[distance.clamp(min=0)]
        if self.of_span is not None and spans is not None:
            scores = scores + self.of_span[spans].unsqueeze(1)
        weights = functional.silu(scores) / self.max_length * (distance >= 0)
        attended = (weights @ value).transpose(1, 2).flatten(2)
        gated = _normed(attended) * gate.transpose(1, 2).flatten(2)
        out: Tensor = x + self.outer(gated if dropout_mask is None else gated * dropout_mask)
        return out


class PointwiseTransformer(nn.Module):
    """The encoder of HSTU; positions are counted from the first item.

    Args:
        width: D.
        num_blocks: Number of blocks.
        num_heads: Heads of each block.
        max_length: Length of the longest sequence.
        reads_times: Whether attention is biased by time.
    """

    task: TrainingTask = "next"

    def __init__(
        self, width: int, num_blocks: int, num_heads: int, max_length: int, *, reads_times: bool
    ) -> None:
        super().__init__()
        self.needs_times = reads_times
        self.positions = nn.Parameter(torch.zeros(max_length, width))
        self.blocks = nn.ModuleList(
            PointwiseBlock(width, num_heads, max_length, reads_times=reads_times)
            for _ in range(num_blocks)
        )

    @property
    def num_dropout_masks(self) -> int:
        """One of the item vectors, one of each block."""
        return 1 + len(self.blocks)

    def forward(
        self,
        x: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None = None,
        times: Tensor | None = None,
    ) -> Tensor:
        """Return the state (B, L, D) after each item.

        Args:
            x: (B, L, D) Item vectors, padded on the right, where states mean nothing.
            lengths: (B,) Real items of each row; what comes later is never read.
            dropout_masks: (1 + blocks, B, L, D) Dropout masks, or none.
            times: (B, L + 2) Seconds, as for ``TimedTransformer``, if the model reads them.
        """
        spans = None
        if times is not None:
            spans = bucket(times[:, 2:].unsqueeze(2) - times[:, 1:-1].unsqueeze(1), SPANS)
        x = x + self.positions[: x.shape[1]]
        if dropout_masks is not None:
            x = x * dropout_masks[0]
        for number, block in enumerate(self.blocks, start=1):
            x = block(x, None if dropout_masks is None else dropout_masks[number], spans)
        return x


def _normed(x: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], eps=EPSILON)


class HSTU(IdentityRows):
    """Hierarchical sequential transduction units over ID embeddings, scored by the cosine."""

    @property
    def needs_times(self) -> bool:
        """Whether its encoder reads times."""
        return self.encoder.needs_times

    def output_vectors(self, table: ItemTable) -> Tensor:
        """Unit rows (K, D) over the temperature: input and output are tied."""
        return functional.normalize(table.views[:, 0], dim=-1) / TEMPERATURE

    def encode(
        self,
        table: ItemTable,
        indices: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None = None,
        times: Tensor | None = None,
        *,
        last: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Unit states (B, L, D) or last ones (B, D), and weights (B, L, 1) that are all 1."""
        states, weights = super().encode(table, indices, lengths, dropout_masks, times, last=last)
        return functional.normalize(states, dim=-1), weights
