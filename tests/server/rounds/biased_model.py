"""A model with a single trained number per item beside its row, for ``model.name``."""

import torch
from torch import Tensor, nn

from fedrec.models.layers.transformer import CausalTransformer
from fedrec.models.recommender import ItemTable
from fedrec.models.sasrec import SASRec


class Biased(SASRec):
    """SASRec whose rows are all shifted by a number of the item's own."""

    def __init__(self, rows: Tensor, encoder: CausalTransformer) -> None:
        super().__init__(rows, encoder)
        self.bias = nn.Parameter(torch.zeros(len(rows)))

    @property
    def item_arrays(self) -> tuple[str, ...]:
        """Rows (V + 1, D) and numbers (V + 1,)."""
        return ("rows", "bias")

    def look_up(self, items: Tensor, unknown: Tensor | None = None) -> ItemTable:
        """Rows of items (K,), shifted."""
        rows = self.rows.index_select(0, items) + self.bias.index_select(0, items)[:, None]
        return ItemTable(rows.unsqueeze(1), torch.zeros_like(rows[:, 0]))
