"""FPMC: matrix factorisation of users plus factorised transitions from the newest item.

Rendle, Freudenthaler & Schmidt-Thieme, WWW 2010 ("Factorizing Personalized Markov Chains"), with a
basket of one item and the pairwise loss of BPR; what pairs the user with the newest item is the
same for every candidate and left out, as there:

    score(u, l, i) = <user_u, item_i> + <last_l, next_i>

Its item rows travel in a federation and its user rows stay with the client, as those of BPR-MF do.
"""

from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from fedrec.models.parts import ROW_STD, ModelParts, torch_stream
from fedrec.models.recommender import ItemTable
from fedrec.models.user_rows import UserRows, initial_user_rows


class FPMC(UserRows):
    """Factorised personalised Markov chains over the users held by this client.

    Args:
        rows: (V + 1, D) Initial item rows, met by the user's.
        next_rows: (V + 1, D) Initial rows of an item as the next one.
        last_rows: (V + 1, D) Initial rows of an item as the newest one.
        user_rows: (U, D) Initial rows of the users held here.
        users: (U,) Their global numbers, ascending.
    """

    known_as: ClassVar[str] = "fpmc"

    def __init__(
        self,
        rows: Tensor,
        next_rows: Tensor,
        last_rows: Tensor,
        user_rows: Tensor,
        users: np.ndarray,
    ) -> None:
        super().__init__(users)
        self.rows = nn.Parameter(rows.clone())
        self.next_rows = nn.Parameter(next_rows.clone())
        self.last_rows = nn.Parameter(last_rows.clone())
        self.user_rows = nn.Parameter(user_rows.clone())

    @classmethod
    def build(cls, parts: ModelParts) -> Self:
        """The model of the users held here; it needs no encoder."""
        stream = torch_stream(parts.seed, "weights", "fpmc")
        drawn = torch.randn(2, *parts.rows.shape, generator=stream) * ROW_STD
        drawn[:, 0] = 0
        own = initial_user_rows(parts.users, parts.width, std=ROW_STD, seed=parts.seed)
        return cls(parts.rows, drawn[0], drawn[1], own, parts.users)

    @property
    def item_arrays(self) -> tuple[str, ...]:
        """The three embeddings of an item."""
        return ("rows", "next_rows", "last_rows")

    def output_vectors(self, table: ItemTable) -> Tensor:
        """What meets the user and the newest item (K, 2 D)."""
        return table.views[:, 0, : -self.last_rows.shape[1]]

    def states_of(self, rows: Tensor, table: ItemTable, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The user's row and that of the item at each position (B, L, 2 D); padding has zeros."""
        own = rows.unsqueeze(1).expand(*indices.shape, -1)
        last = table.views[indices, 0, -self.last_rows.shape[1] :]
        states = torch.cat([own, last * (indices > 0).unsqueeze(-1)], dim=-1)
        return states, torch.ones_like(states[..., :1])
