"""Long short-term memory (Hochreiter & Schmidhuber, 1997): two layers and a dense one.

The cell is that of Gers et al., 2000, with a forget gate that starts open (its bias is 1 more
than the trained one: Jozefowicz et al., ICML 2015; Keras does the same). It is a loop over plain
layers, as the recurrent encoder of GRU4Rec, and for the same reasons.
"""

import torch
from torch import Tensor, nn

from fedrec.models.layers.encoder import TrainingTask


class LSTMLayer(nn.Module):
    """One layer of long short-term memory.

    Args:
        width: Size of an input.
        hidden: H of the state.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.from_input = nn.Linear(width, 4 * hidden)
        self.from_state = nn.Linear(hidden, 4 * hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, L, H) for inputs (B, L, width); position l depends on positions 0..l only."""
        state = cell = x.new_zeros(len(x), self.hidden)
        states = []
        for given in self.from_input(x).unbind(dim=1):
            gates = given + self.from_state(state)
            entering, forgetting, leaving, new = gates.chunk(4, dim=-1)
            kept = torch.sigmoid(forgetting + 1) * cell
            cell = kept + torch.sigmoid(entering) * torch.tanh(new)
            state = torch.sigmoid(leaving) * torch.tanh(cell)
            states.append(state)
        return torch.stack(states, dim=1)


class StackedLSTM(nn.Module):
    """An LSTM of width H, one of half that, and a dense layer of H with ReLU; dropout behind each.

    Args:
        width: Size of an item's input vector.
        hidden: H, also the size of the states.
    """

    task: TrainingTask = "next"
    needs_times = False

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        half = max(1, hidden // 2)
        self.first = LSTMLayer(width, hidden)
        self.second = LSTMLayer(hidden, half)
        self.dense = nn.Linear(half, hidden)

    @property
    def num_dropout_masks(self) -> int:
        """Number of dropout masks of one forward pass."""
        return 3

    def forward(self, x: Tensor, lengths: Tensor, dropout_masks: Tensor | None = None) -> Tensor:
        """Return the state (B, L, H) after each item.

        Args:
            x: (B, L, width) Item vectors, padded on the right, where states mean nothing.
            lengths: (B,) Real items of each row; a recurrence needs none.
            dropout_masks: (3, B, L, at least H) Dropout masks, or none; a layer takes as many
                components as it has.
        """
        for number, layer in enumerate((self.first, self.second, self.dense)):
            x = torch.relu(layer(x)) if layer is self.dense else layer(x)
            if dropout_masks is not None:
                x = x * dropout_masks[number][..., : x.shape[-1]]
        return x
