"""BPR-MF (FedMF when federated): embeddings of users and items, a bias per item.

Rendle et al., UAI 2009: a user prefers what they had to what they did not have, and matrix
factorisation scores both. A user is a set here: order and time say nothing. In a federation the
rows of items travel and those of users stay with the client that holds them (FedMF: Chai et al.,
IEEE Intelligent Systems 2021), so that no gradient of a user's row ever leaves. The FedMF of later
comparisons is trained by BCE with four negatives of each event: ``loss.name = "gbce"`` with
``loss.calibration = 0`` and ``loss.negatives = 4``.
"""

from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from fedrec.models.parts import ROW_STD, ModelParts
from fedrec.models.recommender import ItemTable
from fedrec.models.user_rows import UserRows, initial_user_rows


class BPRMF(UserRows):
    """Matrix factorisation over the users held by this client.

    Args:
        rows: (V + 1, D) Initial item rows.
        user_rows: (U, D) Initial rows of the users held here.
        users: (U,) Their global numbers, ascending.
    """

    known_as: ClassVar[str] = "bpr-mf"

    def __init__(self, rows: Tensor, user_rows: Tensor, users: np.ndarray) -> None:
        super().__init__(users)
        self.rows = nn.Parameter(rows.clone())
        self.bias = nn.Parameter(torch.zeros(len(rows), 1))
        self.user_rows = nn.Parameter(user_rows.clone())

    @classmethod
    def build(cls, parts: ModelParts) -> Self:
        """The model of the users held here; it reads no sequences and needs no encoder."""
        own = initial_user_rows(parts.users, parts.width, std=ROW_STD, seed=parts.seed)
        return cls(parts.rows, own, parts.users)

    @property
    def item_arrays(self) -> tuple[str, ...]:
        """Item embeddings and biases."""
        return ("rows", "bias")

    def output_vectors(self, table: ItemTable) -> Tensor:
        """Rows with their biases behind them (K, D + 1)."""
        return table.views[:, 0]

    def states_of(self, rows: Tensor, table: ItemTable, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The user's row with a 1 for the items' biases (B, L, D + 1), the same everywhere."""
        with_one = torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)
        return super().states_of(with_one, table, indices)
