"""NARM: gated recurrent units with an attention to what the history is about.

Li et al., CIKM 2017 ("Neural Attentive Session-based Recommendation"). With the states h_1..h_t of
the recurrent units after each item:

    c_t = [h_t ; sum_j a_tj h_j],   a_tj = v' sigmoid(A_1 h_t + A_2 h_j)   (no softmax, as printed)
    score of item i = emb_i' B c_t

A session is a whole history here, and every position is asked for its next item at once.
"""

import torch
from torch import Tensor, nn

from fedrec.models.identity_rows import IdentityRows
from fedrec.models.layers.encoder import TrainingTask
from fedrec.models.layers.gru import GRULayer


class AttentiveGRU(nn.Module):
    """The encoder of NARM; its memory grows with the square of a history's length.

    Args:
        width: D of item vectors and states.
        num_layers: Layers of recurrent units; the paper has one.
        hidden: H of each layer's own state.
    """

    task: TrainingTask = "next"
    needs_times = False

    def __init__(self, width: int, num_layers: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(GRULayer(width, hidden) for _ in range(num_layers))
        self.of_last = nn.Linear(width, width, bias=False)
        self.of_each = nn.Linear(width, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)
        self.out = nn.Linear(2 * width, width, bias=False)

    @property
    def num_dropout_masks(self) -> int:
        """Three: one of the item vectors, one of each half of c."""
        return 3

    def forward(self, x: Tensor, lengths: Tensor, dropout_masks: Tensor | None = None) -> Tensor:
        """Return the state (B, L, D) after each item, B c_t in the paper.

        Args:
            x: (B, L, D) Item vectors, padded on the right, where states mean nothing.
            lengths: (B,) Real items of each row; what comes later is never read.
            dropout_masks: (3, B, L, D) Dropout masks, or none.
        """
        if dropout_masks is not None:
            x = x * dropout_masks[0]
        for layer in self.layers:
            x = layer(x)
        local = attended(self.score, self.of_last(x), self.of_each(x), x)
        if dropout_masks is not None:
            x, local = x * dropout_masks[1], local * dropout_masks[2]
        states: Tensor = self.out(torch.cat([x, local], dim=-1))
        return states


def attended(score: nn.Module, asking: Tensor, asked: Tensor, values: Tensor) -> Tensor:
    """Sum (B, L, D) of earlier values, weighted by ``score`` of a sigmoid, without a softmax.

    Args:
        score: Layer from D to one number.
        asking: (B, L, D) What position t adds under the sigmoid.
        asked: (B, L, D) What position j adds to it.
        values: (B, L, D) What is summed over j = 0..t.
    """
    energy = score(torch.sigmoid(asking.unsqueeze(2) + asked.unsqueeze(1))).squeeze(-1)
    places = torch.arange(values.shape[1], device=values.device)
    is_past = places[:, None] >= places[None, :]
    found: Tensor = (energy * is_past) @ values
    return found


class NARM(IdentityRows):
    """Recommendation by attentive recurrent units over ID embeddings, tied with the output."""
