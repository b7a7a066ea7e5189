"""PFedRec: a private score function for each user, and item vectors that each client fine-tunes.

Zhang et al., IJCAI 2023 ("Dual Personalization on Federated Recommendation"): there is no user
vector; the score function of a user is a linear layer over the item's, and never leaves:

    score(u, i) = w_u . item_i + b_u

Item vectors travel and are averaged, and a client scores by its own copy of them as its last local
training left it: the second personalisation. A client that has not trained scores by the shared
ones. Where a partition has several users, they have one copy together; a partition of one user is
the paper's client. Here both parts step at once with one optimiser, where the authors' code steps
with w_u, b_u first and with a rate of its own for the items. Negatives are all but the training
history, where theirs come from a pool without the held-out items: experiments/results.
"""

from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from fedrec.models.parts import ROW_STD, ModelParts
from fedrec.models.recommender import ItemTable
from fedrec.models.user_rows import UserRows, initial_user_rows


class PFedRec(UserRows):
    """Linear score functions of the users held by this client, and its own item vectors.

    Args:
        rows: (V + 1, D) Initial item rows.
        user_rows: (U, D + 1) Initial weights of the score functions, their biases last.
        users: (U,) Global numbers of the users, ascending.
    """

    known_as: ClassVar[str] = "pfedrec"

    def __init__(self, rows: Tensor, user_rows: Tensor, users: np.ndarray) -> None:
        super().__init__(users)
        self.rows = nn.Parameter(rows.clone())
        self.own_rows = nn.Parameter(rows.clone())  # as the last local training left them
        self.user_rows = nn.Parameter(user_rows.clone())

    @classmethod
    def build(cls, parts: ModelParts) -> Self:
        """The model of the users held here; it reads no sequences and needs no encoder."""
        own = initial_user_rows(parts.users, parts.width + 1, std=ROW_STD, seed=parts.seed)
        own[:, -1] = 0
        return cls(parts.rows, own, parts.users)

    @property
    def item_arrays(self) -> tuple[str, ...]:
        """Item vectors as they travel, and the client's copy of them."""
        return ("rows", "own_rows")

    @property
    def own_parameters(self) -> tuple[str, ...]:
        """The client's copy of the item vectors."""
        return ("own_rows",)

    @torch.no_grad()
    def personalise(self) -> None:
        """Keep the item vectors as they are now for scoring."""
        self.own_rows.copy_(self.rows)

    def look_up(self, items: Tensor, unknown: Tensor | None = None) -> ItemTable:
        """Item vectors (K, 1, D) of items (K,): those that train, or the client's copy of them."""
        rows = self.rows if self.training else self.own_rows
        found = rows.index_select(0, items)
        return ItemTable(found.unsqueeze(1), torch.zeros_like(found[:, 0]))

    def output_vectors(self, table: ItemTable) -> Tensor:
        """Item vectors (K, D + 1), each with a 1 for the user's bias."""
        rows = table.views[:, 0]
        return torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)
