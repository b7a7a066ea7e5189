"""FedNCF: a shared network scores a private user vector beside an item vector.

Neural collaborative filtering (He et al., WWW 2017), federated (Perifanis & Efraimidis,
Knowledge-Based Systems 2022): the vectors of items and the network travel, those of users stay.
It is the MLP of that family, as in the comparisons of PFedRec (Zhang et al., IJCAI 2023); NeuMF
adds a product of two further vectors to it. With layers of half the size of the one before:

    score(u, i) = h . relu(W_n ... relu(W_1 [user_u; item_i] + b_1) ... + b_n)
"""

import itertools
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from fedrec.models.parts import ROW_STD, ModelParts, torch_stream
from fedrec.models.recommender import ItemTable
from fedrec.models.user_rows import UserRows, initial_user_rows


class NeuralCF(UserRows):
    """A network over the pairs of users held by this client and items.

    Args:
        rows: (V + 1, D) Initial item rows.
        user_rows: (U, D) Initial rows of the users held here.
        users: (U,) Their global numbers, ascending.
        layers: Hidden layers: the first has D units, each further one half of them.
        stream: Random stream of the initial weights.
    """

    known_as: ClassVar[str] = "fed-ncf"
    scores_by_product: ClassVar[bool] = False

    def __init__(
        self,
        rows: Tensor,
        user_rows: Tensor,
        users: np.ndarray,
        *,
        layers: int,
        stream: torch.Generator,
    ) -> None:
        super().__init__(users)
        width = rows.shape[1]
        sizes = [max(1, width >> number) for number in range(layers)]
        self.rows = nn.Parameter(rows.clone())
        self.of_item = nn.Linear(width, sizes[0])
        self.of_user = nn.Linear(width, sizes[0], bias=False)  # the two halves of W_1
        self.hidden = nn.ModuleList(
            nn.Linear(before, after) for before, after in itertools.pairwise(sizes)
        )
        self.score = nn.Linear(sizes[-1], 1, bias=False)
        self.user_rows = nn.Parameter(user_rows.clone())
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, generator=stream)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @classmethod
    def build(cls, parts: ModelParts) -> Self:
        """The model of the users held here, with ``model.blocks`` hidden layers."""
        own = initial_user_rows(parts.users, parts.width, std=ROW_STD, seed=parts.seed)
        stream = torch_stream(parts.seed, "weights", "fed-ncf")
        return cls(parts.rows, own, parts.users, layers=parts.blocks, stream=stream)

    @property
    def item_arrays(self) -> tuple[str, ...]:
        """Item embeddings."""
        return ("rows",)

    def output_vectors(self, table: ItemTable) -> Tensor:
        """Item embeddings (K, D)."""
        return table.views[:, 0]

    def pair_scores(self, states: Tensor, vectors: Tensor) -> Tensor:
        """Scores (...) of items (..., D) by users (..., D), over axes that broadcast."""
        found = torch.relu(self.of_user(states) + self.of_item(vectors))
        for layer in self.hidden:
            found = torch.relu(layer(found))
        scores: Tensor = self.score(found).squeeze(-1)
        return scores
