"""Base of models with ID embeddings alone, tied between input and output."""

import math

import torch
from torch import Tensor, nn

from fedrec.models.layers.encoder import SequenceEncoder, TrainingTask, read
from fedrec.models.recommender import ItemTable, Recommender


class IdentityRows(Recommender):
    """A sequence encoder over ID embeddings alone, tied between input and output.

    Args:
        rows: (V + 1, D) Initial item rows.
        encoder: Sequence encoder from (B, L, D) to states (B, L, D).
    """

    def __init__(self, rows: Tensor, encoder: SequenceEncoder) -> None:
        super().__init__()
        self.rows = nn.Parameter(rows.clone())
        self.encoder = encoder
        self.scale = math.sqrt(rows.shape[1])

    @property
    def view_names(self) -> tuple[str, ...]:
        """The only view: ID embeddings."""
        return ("identity",)

    @property
    def task(self) -> TrainingTask:
        """Training task of its encoder."""
        return self.encoder.task

    @property
    def num_dropout_masks(self) -> int:
        """Number of dropout masks of one forward pass."""
        return self.encoder.num_dropout_masks

    @property
    def histories_together(self) -> int:
        """As many as its encoder needs, or as any would."""
        return getattr(self.encoder, "histories_together", super().histories_together)

    @property
    def item_arrays(self) -> tuple[str, ...]:
        """ID embeddings."""
        return ("rows",)

    def look_up(self, items: Tensor, unknown: Tensor | None = None) -> ItemTable:
        """The rows of items (K,) as a single view; without another view, none can be unknown."""
        rows = self.rows.index_select(0, items)
        return ItemTable(rows.unsqueeze(1), torch.zeros_like(rows[:, 0]))

    def output_vectors(self, table: ItemTable) -> Tensor:
        """The rows (K, D) themselves: input and output are tied."""
        return table.views[:, 0]

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
        """States (B, L, D) or last ones (B, D), and weights (B, L, 1) that are all 1."""
        rows = table.views[indices, 0]
        inputs = rows * self.scale
        states = read(self.encoder, inputs, indices, lengths, dropout_masks, times, last=last)
        return states, torch.ones_like(rows[..., :1])
