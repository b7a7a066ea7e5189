"""Base class of all recommenders, and scoring of the catalogue."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fedrec.models.layers.encoder import TrainingTask, gives_last
from fedrec.models.layers.fixed_shapes import (
    HISTORIES,
    blocks_of_histories,
    by_blocks,
    by_pairs,
    products,
    resized,
)
from fedrec.models.parts import ModelParts


class ItemTable(NamedTuple):
    """Views and frequencies of some items, before a sequence fuses the views.

    Attributes:
        views: (K, N, D) The N views of each item.
        frequency: (K,) How often each was seen in training, over all clients.
    """

    views: Tensor
    frequency: Tensor


class Recommender(nn.Module, ABC):
    """A sequential recommender whose item vectors are tied between input and output.

    Attributes:
        scores_by_product: Whether a score is the product of a state and an output vector; a model
            of users alone may override ``pair_scores`` instead.
    """

    scores_by_product: ClassVar[bool] = True

    @classmethod
    def build(cls, parts: ModelParts) -> Self:
        """The model made of these parts; a class that needs others than these two overrides it."""
        return cls(parts.rows, parts.encoder)

    @property
    def task(self) -> TrainingTask:
        """Training task; under "cloze", the state at a masked item predicts that item."""
        return "next"

    @property
    def needs_times(self) -> bool:
        """Whether ``encode`` takes times."""
        return False

    @property
    @abstractmethod
    def num_dropout_masks(self) -> int:
        """Number of dropout masks of one forward pass."""

    @property
    @abstractmethod
    def view_names(self) -> tuple[str, ...]:
        """Names of the N views."""

    @property
    def histories_together(self) -> int:
        """Histories that are encoded together on a CPU outside training, however many there are.

        Each must then get the same state at every place among them, to the bit. The default is
        large enough for any layer; fewer cost less where few histories are encoded.
        """
        return HISTORIES

    @property
    def item_arrays(self) -> tuple[str, ...]:
        """Parameters and buffers with a row per item that ``look_up`` alone reads, by number.

        Local training may then keep the rows of a client's own items only. A model that names
        none is trained with whole copies, which gives the same numbers more slowly.
        """
        return ()

    @property
    def user_arrays(self) -> tuple[str, ...]:
        """Parameters with a row per user held here: they stay with the client, always.

        Such a model knows whom it is asked for (``encode_for``), and what a user had first is
        something to predict like all the rest.
        """
        return ()

    @property
    def own_parameters(self) -> tuple[str, ...]:
        """Further trained parameters that stay with the client, always; they are not averaged."""
        return ()

    @abstractmethod
    def look_up(self, items: Tensor, unknown: Tensor | None = None) -> ItemTable:
        """The table of items (K,); those marked in ``unknown`` (K,) as if never seen."""

    @abstractmethod
    def output_vectors(self, table: ItemTable) -> Tensor:
        """One vector (K, D) per item, by which states are scored."""

    def pair_scores(self, states: Tensor, vectors: Tensor) -> Tensor:
        """Scores (...) of output vectors (..., D) by states (..., D), over axes that broadcast."""
        return (states * vectors).sum(dim=-1)

    def personalise(self) -> None:
        """Set what personalises a client's model from its parameters: nothing, in most models.

        Called when local training ends, and on the weights that a client is sent to evaluate,
        before its private parameters are loaded.
        """

    def smoothed(self, items: Tensor, vectors: Tensor) -> Tensor:
        """Output embeddings (K, D) of items (K,) after training: unchanged, in most models.

        A model may smooth the embeddings of cold items over their neighbours.
        """
        return vectors

    @abstractmethod
    def encode(
        self,
        table: ItemTable,
        indices: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None = None,
        times: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """States (B, L, D) after each item and shares (B, L, N) of its views, which sum to 1.

        Args:
            table: Items by row.
            indices: (B, L) Rows of the table, padded on the right with any row. Under the task
                "cloze" row 0 is item 0, and inside a row stands for an item that is hidden.
            lengths: (B,) Real items of each row, at least 1.
            dropout_masks: (num_masks, B, L, D) Dropout masks, none at inference.
            times: (B, L + 2) Seconds as ``fedrec.data.times`` lays them out; given to models that
                need them, and only to them.
        """

    def encode_for(
        self,
        users: np.ndarray | None,
        table: ItemTable,
        indices: Tensor,
        lengths: Tensor,
        dropout_masks: Tensor | None = None,
        times: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The result of ``encode`` for the sequences of users (B,), whom most models ignore."""
        more = () if times is None else (times,)
        return self.encode(table, indices, lengths, dropout_masks, *more)


class Catalogue(NamedTuple):
    """The whole catalogue: item table and output embeddings, made once per model."""

    table: ItemTable
    vectors: Tensor  # (V + 1, D)


def catalogue_of(model: Recommender, num_items: int) -> Catalogue:
    """Item table and output embeddings of items 0..V."""
    items = torch.arange(num_items + 1, device=device_of(model))
    table = table_of(model, items)
    return Catalogue(table, _folded(model, items, table))


def table_of(model: Recommender, items: Tensor) -> ItemTable:
    """The table of items (K,) outside training: each row is the same whatever the others are."""
    return ItemTable(*by_blocks(model.look_up, items))


def output_embeddings(model: Recommender, items: Tensor) -> Tensor:
    """One vector (K, D) for each of the items (K,), the same whatever the others are.

    Their views, N times as large as what comes of them, are never held all at once.
    """
    (vectors,) = by_blocks(lambda some: (model.output_vectors(model.look_up(some)),), items)
    return model.smoothed(items, vectors)


def _folded(model: Recommender, items: Tensor, table: ItemTable) -> Tensor:
    """The output embeddings (K, D) of items whose table is there already."""
    (vectors,) = by_blocks(lambda *some: (model.output_vectors(ItemTable(*some)),), *table)
    return model.smoothed(items, vectors)


def score_next(
    model: Recommender,
    catalogue: Catalogue,
    items: Tensor,
    lengths: Tensor,
    users: np.ndarray | None = None,
    times: Tensor | None = None,
    *,
    longest: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Scores (B, V + 1) of every item as the next one, and weights (B, L, N) of the views.

    A row's scores do not depend on the other rows, nor those of an item on the other items.

    Args:
        model: The recommender.
        catalogue: ``catalogue_of`` the same model.
        items: (B, L) Item numbers, padded with 0 on the right.
        lengths: (B,) Real items in each row, at least 1.
        users: As for ``next_state``.
        times: As for ``next_state``.
        longest: As for ``next_state``.
    """
    last, weights = next_state(
        model, catalogue.table, items, lengths, users, times, longest=longest
    )
    return scores_of(model, last, catalogue.vectors), weights


def scores_of(model: Recommender, states: Tensor, vectors: Tensor) -> Tensor:
    """Scores (B, K) of output vectors (K, D) by states (B, D), outside training.

    None depends on the other states and vectors.
    """
    if model.scores_by_product:
        return products(states, vectors)
    return by_pairs(lambda some, items: model.pair_scores(some[:, None], items), states, vectors)


def next_state(
    model: Recommender,
    table: ItemTable,
    indices: Tensor,
    lengths: Tensor,
    users: np.ndarray | None = None,
    times: Tensor | None = None,
    *,
    longest: int | None = None,
) -> tuple[Tensor, Tensor]:
    """States (B, D) that score the next item, and weights (B, L, N) of the views, 0 at padding.

    Args:
        model: The recommender.
        table: The items of the histories, or more, by row; row 0 is item 0.
        indices: (B, L) Rows of the table, padded with 0 on the right.
        lengths: (B,) Real items in each row, at least 1.
        users: (B,) Global numbers, for a model that knows its users; none for anybody.
        times: (B, L + 2) Seconds, for a model that needs them.
        longest: Most items of a history that are read, L by default; padding goes no further.
    """
    longest = longest or indices.shape[1]
    indices, asked = indices[:, : int(lengths.max())], lengths - 1
    shown = indices.shape[1]
    if model.task == "cloze":  # item 0 behind the last one: the next item, hidden
        indices, asked, longest = functional.pad(indices, (0, 1)), lengths, longest + 1
    order, last, shares = [], [], []
    for length, rows, real in blocks_of_histories(asked + 1, longest, model.histories_together):
        states, weights = _last_states(
            model,
            None if users is None else users[rows.cpu().numpy()],
            table,
            resized(indices[rows], length, torch.zeros_like(indices[rows, :1])),
            asked[rows] + 1,
            None if times is None else resized(times[rows], length + 2, times[rows, -1:]),
        )
        order.append(rows[:real])
        last.append(states[:real])
        beyond = (0, 0, 0, max(0, shown - length))
        shares.append(functional.pad(weights[:real, :shown], beyond))
    back = torch.cat(order).argsort()
    return torch.cat(last)[back], torch.cat(shares)[back]


def _last_states(
    model: Recommender,
    users: np.ndarray | None,
    table: ItemTable,
    indices: Tensor,
    lengths: Tensor,
    times: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """States (B, D) at the last positions, alone where ``encode`` can, and weights (B, L, N)."""
    kind = type(model)
    if kind.encode_for is Recommender.encode_for and gives_last(kind, "encode"):
        more = () if times is None else (times,)
        found: tuple[Tensor, Tensor] = model.encode(table, indices, lengths, None, *more, last=True)  # type: ignore[call-arg]  # of some models
        return found
    states, weights = model.encode_for(users, table, indices, lengths, None, times)
    return states[torch.arange(len(states), device=states.device), lengths - 1], weights


def device_of(model: Recommender) -> torch.device:
    """Device of a model's parameters."""
    return next(model.parameters()).device
