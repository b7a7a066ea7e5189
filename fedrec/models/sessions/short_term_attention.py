"""STAMP: attention to the newest item and to the mean of the history.

Liu et al., KDD 2018 ("Short-Term Attention/Memory Priority Model"). With item vectors x_1..x_t and
their mean m_t:

    a_tj = w_0' sigmoid(W_1 x_j + W_2 x_t + W_3 m_t + b),   m_a = sum_j a_tj x_j
    h_s = tanh(W_s m_a + b_s),   h_t = tanh(W_t x_t + b_t)
    score of item i = sum_d h_s,d h_t,d x_i,d

The paper's sigmoid about the score, under the softmax of its loss, is left out, as in RecBole.
"""

import torch
from torch import Tensor, nn

from fedrec.models.identity_rows import IdentityRows
from fedrec.models.layers.encoder import TrainingTask
from fedrec.models.sessions.attentive_gru import attended


class ShortTermAttention(nn.Module):
    """The encoder of STAMP; its memory grows with the square of a history's length.

    Args:
        width: D of item vectors and states.
    """

    task: TrainingTask = "next"
    needs_times = False

    def __init__(self, width: int) -> None:
        super().__init__()
        self.of_each = nn.Linear(width, width, bias=False)
        self.of_last = nn.Linear(width, width, bias=False)
        self.of_mean = nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)
        self.memory = nn.Linear(width, width)
        self.newest = nn.Linear(width, width)

    @property
    def num_dropout_masks(self) -> int:
        """One, of the item vectors."""
        return 1

    def forward(self, x: Tensor, lengths: Tensor, dropout_masks: Tensor | None = None) -> Tensor:
        """Return the state (B, L, D) after each item, the product of h_s and h_t.

        Args:
            x: (B, L, D) Item vectors, padded on the right, where states mean nothing.
            lengths: (B,) Real items of each row; what comes later is never read.
            dropout_masks: (1, B, L, D) Dropout mask, or none.
        """
        if dropout_masks is not None:
            x = x * dropout_masks[0]
        counts = torch.arange(1, x.shape[1] + 1, device=x.device, dtype=x.dtype)
        mean = x.cumsum(dim=1) / counts[:, None]
        memory = attended(self.score, self.of_last(x) + self.of_mean(mean), self.of_each(x), x)
        return torch.tanh(self.memory(memory)) * torch.tanh(self.newest(x))


class STAMP(IdentityRows):
    """Recommendation by short-term attention over ID embeddings, tied with the output."""
