"""The recurrent encoder of GRU4Rec (Hidasi et al., ICLR 2016): gated recurrent units.

The cell is that of Cho et al., EMNLP 2014, as ``torch.nn.GRU`` computes it. It is a loop over
plain layers, because ``nn.GRU`` can neither be mapped over users' own weights nor be stacked: this
way, users who are clients train it like any other encoder.
"""

import torch
from torch import Tensor, nn

from fedrec.models.layers.encoder import TrainingTask


class GRULayer(nn.Module):
    """One layer of gated recurrent units, and back to the width of its input.

    Args:
        width: D of inputs and outputs.
        hidden: H of the state that is carried along.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.from_input = nn.Linear(width, 3 * hidden)
        self.from_state = nn.Linear(hidden, 3 * hidden)
        self.out = nn.Identity() if hidden == width else nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, L, D) for inputs (B, L, D); position l depends on positions 0..l only."""
        state = x.new_zeros(len(x), self.hidden)
        states = []
        for given in self.from_input(x).unbind(dim=1):
            reset_in, update_in, new_in = given.chunk(3, dim=-1)
            reset_own, update_own, new_own = self.from_state(state).chunk(3, dim=-1)
            reset = torch.sigmoid(reset_in + reset_own)
            update = torch.sigmoid(update_in + update_own)
            new = torch.tanh(new_in + reset * new_own)
            state = new + update * (state - new)
            states.append(state)
        out: Tensor = self.out(torch.stack(states, dim=1))
        return out


class GRUEncoder(nn.Module):
    """Layers of recurrent units, with dropout before the first and after each.

    Args:
        width: D of item vectors and states.
        num_layers: Number of layers.
        hidden: H of each layer's own state.
    """

    task: TrainingTask = "next"
    needs_times = False

    def __init__(self, width: int, num_layers: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(GRULayer(width, hidden) for _ in range(num_layers))

    @property
    def num_dropout_masks(self) -> int:
        """Number of dropout masks of one forward pass."""
        return 1 + len(self.layers)

    def forward(self, x: Tensor, lengths: Tensor, dropout_masks: Tensor | None = None) -> Tensor:
        """Return the state (B, L, D) after each item.

        Args:
            x: (B, L, D) Item vectors, padded on the right, where states mean nothing.
            lengths: (B,) Real items of each row; a recurrence needs none.
            dropout_masks: (num_dropout_masks, B, L, D) Dropout masks, or none.
        """
        if dropout_masks is not None:
            x = x * dropout_masks[0]
        for number, layer in enumerate(self.layers, start=1):
            x = layer(x) if dropout_masks is None else layer(x) * dropout_masks[number]
        return x
