"""Bidirectional transformer of BERT4Rec (Sun et al., CIKM 2019).

It cannot learn to name the next item of each position, which lies in plain sight. It learns to
name items that are hidden from it (the cloze task), and at inference one is hidden behind the
last.
"""

import torch
from torch import Tensor, nn

from fedrec.models.layers.encoder import TrainingTask
from fedrec.models.layers.transformer import Transformer


class BidirectionalTransformer(Transformer):
    """Pre-norm transformer blocks without a causal mask; masked items become one learned vector.

    Positions are counted from the last item, as in the causal transformer, so that the place
    where the next item is asked for is the same in every history.
    """

    task: TrainingTask = "cloze"

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
        super().__init__(
            width, num_blocks, num_heads, max_length, hidden, block=block, positions=positions
        )
        self.mask = nn.Parameter(torch.zeros(width))

    def forward(
        self,
        x: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None,
        hidden: Tensor,
        *,
        last: bool = False,
    ) -> Tensor:
        """Return states (B, L, D) or last ones (B, D), from all that is real and not hidden.

        Args:
            x: (B, L, D) Item vectors, padded on the right.
            lengths: (B,) Real positions of each row, hidden ones among them, at least 1.
            dropout_masks: (num_dropout_masks, B, L, D) Dropout masks, or none.
            hidden: (B, L) True where the item must not be seen; what it is at padding is no matter.
            last: As for ``through``.
        """
        shown = torch.where(hidden.unsqueeze(-1), self.mask, x)
        is_real = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        masks = [is_real[:, None, None]] * len(self.blocks)
        return self.through(shown, lengths, dropout_masks, masks, last=last)
