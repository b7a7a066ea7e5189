"""What an exported program computes: scores of every item behind one history of item numbers."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedrec.inference.search import ItemSearch
from fedrec.models.layers.transformer import CausalTransformer
from fedrec.models.recommender import ItemTable, Recommender, table_of


class NextItem(nn.Module):
    """A trained model with its item table folded: views, frequencies and vectors of all items.

    What the table was made of (text embeddings, ID embeddings, content) is left out.

    Args:
        search: Model with its item vectors.
    """

    views: Tensor
    frequency: Tensor
    vectors: Tensor

    def __init__(self, search: ItemSearch) -> None:
        super().__init__()
        everything = torch.arange(len(search.vectors), device=search.vectors.device)
        with torch.no_grad():
            table = table_of(search.model, everything)
        self.register_buffer("views", table.views.detach().clone().cpu())
        self.register_buffer("frequency", table.frequency.detach().clone().cpu())
        self.register_buffer("vectors", search.vectors.detach().clone().cpu())
        self.model = _without_items(search.model)
        self.eval()

    def forward(self, items: Tensor, length: Tensor) -> Tensor:
        """Scores (V + 1,) of a history, the newest item last.

        Args:
            items: (1, L) Item numbers, padded with 0 behind.
            length: (1,) How many of them are real.
        """
        if self.model.task == "cloze":  # item 0 behind the last one: the next item, hidden
            items, length = functional.pad(items, (0, 1)), length + 1
        table = ItemTable(self.views, self.frequency)
        states, _ = self.model.encode(table, items, length)
        last = states[torch.arange(1, device=items.device), length - 1]
        scores: Tensor = (last @ self.vectors.T)[0]
        return scores


def _without_items(model: Recommender) -> Recommender:
    """A copy on the CPU without rows of items, whose transformers are computed by torch alone."""
    emptied: dict[int, object] = {}
    for name in model.item_arrays:
        owner, _, attribute = name.rpartition(".")
        array = getattr(model.get_submodule(owner), attribute)
        nothing = array.detach().new_zeros(1, *array.shape[1:])
        is_trained = isinstance(array, nn.Parameter)
        emptied[id(array)] = nn.Parameter(nothing, requires_grad=False) if is_trained else nothing
    # What the memo names is taken for a copy that is made already.
    copied = copy.deepcopy(model, emptied).cpu().eval()
    for part in copied.modules():
        if isinstance(part, CausalTransformer):
            part.uses_kernel = False
    return copied
