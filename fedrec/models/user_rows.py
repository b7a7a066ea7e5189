"""Base of models with a row for each user, private to the client that holds them."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from fedrec.errors import ConfigError, DataError
from fedrec.models.recommender import ItemTable, Recommender
from fedrec.randomness import generator


class UserRows(Recommender):
    """Embeddings of the users held by this client, and of items without a sequence encoder.

    A subclass makes its item arrays, then ``user_rows``, and names the former in ``item_arrays``.

    Args:
        users: (U,) Global numbers of the users held here, ascending.

    Attributes:
        known_as: Value of ``model.name``, for messages.
    """

    known_as: ClassVar[str]
    user_rows: nn.Parameter

    def __init__(self, users: np.ndarray) -> None:
        super().__init__()
        self._users = users

    @property
    def view_names(self) -> tuple[str, ...]:
        """The only view: ID embeddings."""
        return ("identity",)

    @property
    def num_dropout_masks(self) -> int:
        """0: the model has no dropout; ``local.weight-decay`` regularises it."""
        return 0

    @property
    def user_arrays(self) -> tuple[str, ...]:
        """User embeddings."""
        return ("user_rows",)

    def look_up(self, items: Tensor, unknown: Tensor | None = None) -> ItemTable:
        """Item arrays side by side (K, 1, *) of items (K,), none of which can be unknown."""
        table = torch.cat([self.get_parameter(name) for name in self.item_arrays], dim=1)
        found = table.index_select(0, items)
        return ItemTable(found.unsqueeze(1), torch.zeros_like(found[:, 0]))

    def encode(
        self,
        table: ItemTable,
        indices: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None = None,
        times: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Refuse: a sequence without its user has no score."""
        raise ConfigError(
            f"model.name = {self.known_as!r} scores for users whose rows it was trained with, "
            "not for a sequence of items; choose a model that reads sequences, such as 'sasrec'"
        )

    def rows_of(self, users: np.ndarray) -> Tensor:
        """Rows (B, D) of users by their global numbers (B,).

        Raises:
            DataError: A user who is not held here.
        """
        place = np.searchsorted(self._users, users).clip(max=len(self._users) - 1)
        if (self._users[place] != users).any():
            raise DataError(
                f"model.name = {self.known_as!r} was asked for a user whose row is not here"
            )
        return self.user_rows[torch.from_numpy(place).to(self.user_rows.device)]

    def encode_for(
        self,
        users: np.ndarray | None,
        table: ItemTable,
        indices: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None = None,
        times: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """What scores for each user after every position.

        Raises:
            ConfigError: No users are given.
            DataError: A user who is not held here.
        """
        if users is None:
            return self.encode(table, indices, lengths)
        return self.states_of(self.rows_of(users), table, indices)

    def states_of(self, rows: Tensor, table: ItemTable, indices: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, L, D) of users, the same at each position, and weights (B, L, 1) of 1.

        Args:
            rows: (B, D) Rows of the users.
            table: Items by row.
            indices: (B, L) Rows of the table at each position.
        """
        shape = (*indices.shape, rows.shape[1])
        ones = torch.ones_like(rows[:, :1, None]).expand(*indices.shape, 1)
        return rows.unsqueeze(1).expand(shape), ones


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
