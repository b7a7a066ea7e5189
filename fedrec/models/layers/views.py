"""Views of an item: ID embedding, semantic embedding, content features."""

import torch
from torch import Tensor, nn


class IdentityView(nn.Module):
    """ID embeddings: a trained row per item; row 0 (padding) stays zero, as nothing looks it up.

    Args:
        start: (V + 1, D) Initial rows.
    """

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.rows = nn.Parameter(start.clone())

    def forward(self, items: Tensor) -> Tensor:
        """Rows (..., D) of items (...)."""
        return self.rows[items]


class AdaptedView(nn.Module):
    """A frozen vector per item through a trained linear layer: the semantic and content views.

    The table is a buffer outside the state dict: shared by reference, never trained, never sent.

    Args:
        table: (V + 1, S) Frozen vectors, row 0 zero.
        width: D.
        norm: Root mean square norm that the adapted rows start with.
        generator: Stream of the initial weights.
    """

    table: Tensor

    def __init__(
        self, table: Tensor, width: int, *, norm: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.register_buffer("table", table, persistent=False)
        self.adapter = nn.Linear(table.shape[1], width, bias=False)
        with torch.no_grad():
            weight = self.adapter.weight
            nn.init.normal_(weight, generator=generator)
            started = self.adapter(table[1:]).square().sum(dim=-1).mean().sqrt()
            if started > 0:  # a table of zeros has no scale
                weight.mul_(norm / started.clamp(min=1e-12))

    def forward(self, items: Tensor) -> Tensor:
        """Adapted vectors (..., D) of items (...)."""
        adapted: Tensor = self.adapter(self.table[items])
        return adapted
