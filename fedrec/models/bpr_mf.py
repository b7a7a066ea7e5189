"""BPR-MF (FedMF when federated): embeddings of users and items, a bias per item.

Rendle et al., UAI 2009: a user prefers what they had to what they did not have, and matrix
factorisation scores both. A user is a set here: order and time say nothing. In a federation the
rows of items travel and those of users stay with the client that holds them (FedMF: Chai et al.,
IEEE Intelligent Systems 2021), so that no gradient of a user's row ever leaves.
"""

from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from fedrec.errors import ConfigError, DataError
from fedrec.models.parts import ROW_STD, ModelParts
from fedrec.models.recommender import ItemTable, Recommender
from fedrec.randomness import generator


class BPRMF(Recommender):
    """Matrix factorisation over the users held by this client.

    Args:
        rows: (V + 1, D) Initial item rows.
        user_rows: (U, D) Initial rows of the users held here.
        users: (U,) Their global numbers, ascending.
    """

    def __init__(self, rows: Tensor, user_rows: Tensor, users: np.ndarray) -> None:
        super().__init__()
        self.rows = nn.Parameter(rows.clone())
        self.bias = nn.Parameter(torch.zeros(len(rows), 1))
        self.user_rows = nn.Parameter(user_rows.clone())
        self._users = users

    @classmethod
    def build(cls, parts: ModelParts) -> Self:
        """The model of the users held here; it reads no sequences and needs no encoder."""
        own = initial_user_rows(parts.users, parts.width, std=ROW_STD, seed=parts.seed)
        return cls(parts.rows, own, parts.users)

    @property
    def view_names(self) -> tuple[str, ...]:
        """The only view: ID embeddings."""
        return ("identity",)

    @property
    def num_dropout_masks(self) -> int:
        """0: the model has no dropout; ``local.weight-decay`` regularises it."""
        return 0

    @property
    def item_arrays(self) -> tuple[str, ...]:
        """Item embeddings and biases."""
        return ("rows", "bias")

    @property
    def user_arrays(self) -> tuple[str, ...]:
        """User embeddings."""
        return ("user_rows",)

    def look_up(self, items: Tensor, unknown: Tensor | None = None) -> ItemTable:
        """Row and bias (K, 1, D + 1) of items (K,); without another view, none can be unknown."""
        table = torch.cat([self.rows, self.bias], dim=1).index_select(0, items)
        return ItemTable(table.unsqueeze(1), torch.zeros_like(table[:, 0]))

    def output_vectors(self, table: ItemTable) -> Tensor:
        """Rows with their biases behind them (K, D + 1)."""
        return table.views[:, 0]

    def encode(
        self,
        table: ItemTable,
        indices: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None = None,
        times: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Refuse: without its user, a sequence has no score in matrix factorisation."""
        raise ConfigError(
            "model.name = 'bpr-mf' scores for users whose rows it was trained with, not for a "
            "sequence of items; choose a model that reads sequences, such as 'sasrec'"
        )

    def encode_for(
        self,
        users: np.ndarray | None,
        table: ItemTable,
        indices: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None = None,
        times: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The user's row with a 1 for the items' biases (B, L, D + 1), the same at each position.

        Raises:
            DataError: A user who is not held here.
        """
        if users is None:
            return self.encode(table, indices, lengths)
        rows = self.user_rows[places_of(users, self._users, "bpr-mf").to(self.user_rows.device)]
        states = torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)
        shape = (*indices.shape, states.shape[1])
        return states.unsqueeze(1).expand(shape), torch.ones_like(states[:, :1, None]).expand(
            *indices.shape, 1
        )


def places_of(users: np.ndarray, held: np.ndarray, model: str) -> Tensor:
    """Places (B,) of users among those held here.

    Args:
        users: (B,) Global numbers.
        held: (U,) Global numbers of the users held here, ascending.
        model: Name of the model, for the message.

    Raises:
        DataError: A user who is not held here.
    """
    place = np.searchsorted(held, users).clip(max=len(held) - 1)
    if (held[place] != users).any():
        raise DataError(f"model.name = {model!r} was asked for a user whose row is not here")
    return torch.from_numpy(place)


def initial_user_rows(users: np.ndarray, width: int, *, std: float, seed: int) -> Tensor:
    """(U, D) initial user embeddings, by the seed and the user's number alone in any partition.

    Args:
        users: (U,) Global numbers.
        width: D.
        std: Standard deviation of each component.
        seed: Seed of the run.
    """
    drawn = generator(seed, "user rows").standard_normal((int(users.max(initial=-1)) + 1, width))
    return torch.from_numpy((drawn[users] * std).astype(np.float32))
