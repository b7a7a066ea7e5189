"""Exact top-k search: from histories of item numbers to the best next items."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedrec.errors import EvaluationError
from fedrec.inference.top_k import Excluded, ScoreItems, top_k
from fedrec.models.layers.fixed_shapes import COLUMNS, products
from fedrec.models.recommender import (
    Recommender,
    device_of,
    next_state,
    output_embeddings,
    scores_of,
    table_of,
)

SCORE_BYTES = 4 << 20  # of the scores that are held at once; more than a cache is slower on a CPU
BLOCK = 1 << 17  # items scored at once on a CPU, at most
BATCH = 256  # histories that are encoded at once


class TopItems(NamedTuple):
    """The best items for B histories.

    Attributes:
        items: (B, k) Numbers, the best first; 0 where there are fewer than k.
        scores: (B, k), -inf where there are fewer than k.
    """

    items: NDArray[np.int64]
    scores: NDArray[np.float32]


class ItemSearch:
    """Exact search over a catalogue by a model's states.

    The item embeddings are folded for output here, once. After that the input side looks up no
    item but those of the histories.

    Args:
        model: The recommender; put into evaluation mode.
        num_items: V.
        max_length: How much of a history it reads.
        score_bytes: Memory that the scores of a block may take.
        vectors: (V + 1, D) Vectors of ``folded``, where they are known.

    Raises:
        EvaluationError: The model gives vectors that are not finite.
    """

    def __init__(
        self,
        model: Recommender,
        num_items: int,
        max_length: int,
        *,
        score_bytes: int = SCORE_BYTES,
        vectors: Tensor | None = None,
    ) -> None:
        self.model, self.max_length, self.score_bytes = model.eval(), max_length, score_bytes
        self.items = range(1, num_items + 1)
        with torch.inference_mode():
            if vectors is None:
                vectors = output_embeddings(
                    model, torch.arange(num_items + 1, device=device_of(model))
                )
            _check_finite(vectors, "item vectors")
        self.vectors = vectors

    @property
    def bytes_held(self) -> dict[str, int]:
        """Memory by what it is for: folded vectors, the model, scores of a block at most."""
        arrays = [*self.model.parameters(), *self.model.buffers()]
        return {
            "vectors": self.vectors.nbytes,
            "model": sum(array.nbytes for array in arrays),
            "scores": self.score_bytes,
        }

    @torch.inference_mode()
    def top(
        self,
        histories: Sequence[NDArray[np.integer]],
        k: int,
        *,
        exclude: bool = True,
        among: range | None = None,
        users: NDArray[np.integer] | None = None,
    ) -> TopItems:
        """The k best next items for each of B histories.

        Args:
            histories: Item numbers of each, the newest last; at least one each.
            k: How many.
            exclude: Leave out the items of the whole history, also what is too old to be read.
            among: The candidates; the whole catalogue by default.
            users: (B,) Users whose histories they are, for a model with rows of users.
        """
        items = among or self.items
        parts = [
            self._top(
                histories[start : start + BATCH],
                k,
                exclude,
                items,
                None if users is None else users[start : start + BATCH],
            )
            for start in range(0, len(histories), BATCH)
        ]
        return TopItems(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def _top(
        self,
        histories: Sequence[NDArray[np.integer]],
        k: int,
        exclude: bool,
        items: range,
        users: NDArray[np.integer] | None,
    ) -> TopItems:
        states, _ = self._states(histories, users)
        excluded = Excluded(histories, states.device) if exclude else None
        scores, found = top_k(
            self._scorer(states),
            items,
            k,
            block=self._block(len(states)),
            excluded=excluded,
        )
        return TopItems(found.cpu().numpy(), scores.cpu().numpy())

    @torch.inference_mode()
    def view_weights(self, history: NDArray[np.integer]) -> NDArray[np.float32]:
        """Mean weights (N,) of the views over a history."""
        return self._states([history])[1][0].cpu().numpy()

    @torch.inference_mode()
    def rank(
        self,
        history: NDArray[np.integer],
        item: int,
        *,
        exclude: bool = True,
        among: range | None = None,
    ) -> float:
        """Rank of an item as the next one: 1 + better items + half of the equal ones.

        Args:
            history: Item numbers, the newest last.
            item: Number of the item, which is ranked even if it is in the history.
            exclude: The other items of the history are no candidates.
            among: The candidates, the item itself too; the whole catalogue by default.
        """
        items = among or self.items
        states, _ = self._states([history])
        score, size = self._scorer(states), self._block(1)
        others = history[history != item] if exclude else history[:0]
        excluded = Excluded([others], states.device)
        # From the same product as its rivals': another shape might round otherwise.
        home = item - (item - items.start) % size
        own = score(home, min(home + size, items.stop))[0, item - home]
        better = at_least = 0
        for first in range(items.start, items.stop, size):
            scores = score(first, min(first + size, items.stop))
            excluded.strike(scores, first)
            better += int((scores > own).sum())
            at_least += int((scores >= own).sum())
        return (better + at_least + 1) / 2

    @torch.inference_mode()
    def nearest(
        self, item: int, k: int, *, among: range | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k items (k,) nearest to one by the cosine (k,) of their folded vectors."""
        query = torch.nn.functional.normalize(self.vectors[item : item + 1])

        def cosines(first: int, end: int) -> Tensor:
            return products(query, torch.nn.functional.normalize(self.vectors[first:end]))

        itself = Excluded([np.array([item])], query.device)
        items = among or self.items
        scores, found = top_k(cosines, items, k, block=self._block(1), excluded=itself)
        return found[0].cpu().numpy(), scores[0].cpu().numpy()

    def _states(
        self,
        histories: Sequence[NDArray[np.integer]],
        users: NDArray[np.integer] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """States (B, D) after each history and its mean gate weights (B, N)."""
        longest = self.max_length - (self.model.task == "cloze")  # the item asked for is read, too
        rows = [history[-longest:] for history in histories]
        lengths = np.array([len(row) for row in rows])
        numbers, places = np.unique(np.concatenate([[0], *rows]), return_inverse=True)
        padded = np.zeros((len(rows), int(lengths.max())), dtype=np.int64)
        padded[np.arange(padded.shape[1]) < lengths[:, None]] = places[1:]
        device = device_of(self.model)
        table = table_of(self.model, torch.from_numpy(numbers.astype(np.int64)).to(device))
        within = torch.from_numpy(lengths).to(device)
        states, weights = next_state(
            self.model,
            table,
            torch.from_numpy(padded).to(device),
            within,
            users,
            longest=longest,
        )
        _check_finite(states, "states after a history")
        is_real = torch.arange(weights.shape[1], device=device) < within[:, None]
        return states, (weights * is_real.unsqueeze(-1)).sum(dim=1) / within[:, None]

    def _scorer(self, states: Tensor) -> ScoreItems:
        """Scores (B, b) of some items by states (B, D)."""
        return lambda first, end: scores_of(self.model, states, self.vectors[first:end])

    def _block(self, rows: int) -> int:
        """Items that are scored at once for so many rows."""
        fitting = max(1, self.score_bytes // (4 * rows))
        if fitting > COLUMNS:  # no part of a product is filled up and thrown away
            fitting -= fitting % COLUMNS
        return min(fitting, BLOCK) if self.vectors.device.type == "cpu" else fitting


def _check_finite(array: Tensor, what: str) -> None:
    if not bool(torch.isfinite(array).all()):
        raise EvaluationError(
            f"the model's {what} hold NaN or infinity: it has diverged (lower local.learning-rate)"
        )
