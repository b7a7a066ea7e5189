"""Time-aware causal transformer: hour, gap and relative time features.

The hour of the day and the gap since the event before describe past events only. The relative
bias of HSTU (Zhai et al., ICML 2024) measures how long ago each item was from the moment of the
next event: it knows when the question is asked, so what it reaches is a protocol of its own
(``fedrec.evaluation.protocols``).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fedrec.models.layers.transformer import Transformer

HOUR, HOURS = 3600, 24
GAPS = tuple(2**power for power in range(31))  # seconds: 1, 2, 4, ... 34 years
# HSTU's, log(seconds) / .301, where whole seconds fall into different ones: 1.35 times apart.
SPANS = tuple(sorted({math.ceil(math.exp(0.301 * number)) for number in range(72)}))


class TimedTransformer(Transformer):
    """Causal transformer with embeddings of times and biases of its attention by times.

    All of them start at zero: it begins as the causal transformer.

    Args:
        width: D.
        num_blocks: Number of blocks.
        num_heads: Heads of each block.
        max_length: Length of the longest sequence that has positions of its own.
        hidden: Width of the feed-forward layers.
        clues: Time features that it reads, of "hour", "gap" and "relative".
        block: As for ``Transformer``.
        positions: As for ``Transformer``.
    """

    needs_times = True

    def __init__(
        self,
        width: int,
        num_blocks: int,
        num_heads: int,
        max_length: int,
        hidden: int,
        *,
        clues: Sequence[str],
        block: str = "pre-norm",
        positions: str = "from-last",
    ) -> None:
        super().__init__(
            width, num_blocks, num_heads, max_length, hidden, block=block, positions=positions
        )

        def rows(name: str, count: int) -> nn.Parameter | None:
            return nn.Parameter(torch.zeros(count, width)) if name in clues else None

        self.hours = rows("hour", HOURS)
        self.gaps = rows("gap", len(GAPS) + 1)
        biased = num_blocks if "relative" in clues else 0
        self.biases = nn.ModuleList(RelativeBias(max_length) for _ in range(biased))

    def forward(
        self,
        x: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None,
        times: Tensor,
        *,
        last: bool = False,
    ) -> Tensor:
        """Return states (B, L, D) after all items or (B, D) after the last; see ``through``.

        Args:
            x: (B, L, D) Item vectors, padded on the right.
            lengths: (B,) Number of real items in each row, at least 1.
            dropout_masks: (num_dropout_masks, B, L, D) Dropout masks, or none.
            times: (B, L + 2) Seconds: of the event before the first item, of each item, and of
                the event behind the last, when the question is asked.
            last: As for ``through``.
        """
        before, own, after = times[:, :-2], times[:, 1:-1], times[:, 2:]
        if self.hours is not None:
            x = x + self.hours[own // HOUR % HOURS]
        if self.gaps is not None:
            x = x + self.gaps[bucket(own - before, GAPS)]
        masks: list[Tensor | None] = [None] * len(self.blocks)
        if len(self.biases):
            spans = bucket(after.unsqueeze(2) - own.unsqueeze(1), SPANS)
            masks = [bias(spans) for bias in self.biases]
        return self.through(x, lengths, dropout_masks, masks, last=last)


class RelativeBias(nn.Module):
    """Relative attention bias, by time span and by distance in items.

    The bias is one for all heads of a block, as in HSTU; there it is added to a pointwise
    attention, here to the scores before the softmax.

    Args:
        max_length: Length of the longest sequence.
    """

    def __init__(self, max_length: int) -> None:
        super().__init__()
        self.of_span = nn.Parameter(torch.zeros(len(SPANS) + 1))
        self.of_distance = nn.Parameter(torch.zeros(max_length))

    def forward(self, spans: Tensor) -> Tensor:
        """Biases (B, 1, L, L), minus infinity where a position must not look.

        Args:
            spans: (B, L, L) Bucket of the time from each item (last axis) to the event that
                follows each position.
        """
        places = torch.arange(spans.shape[1], device=spans.device)
        distance = places[:, None] - places
        bias = self.of_span[spans] + self.of_distance[distance.clamp(min=0)]
        return bias.masked_fill(distance < 0, -math.inf).unsqueeze(1)


def bucket(seconds: Tensor, bounds: Sequence[int]) -> Tensor:
    """Index of the bucket of each number, by rising bounds; exact, since they are whole numbers."""
    return torch.bucketize(seconds, torch.tensor(bounds, device=seconds.device), right=True)
