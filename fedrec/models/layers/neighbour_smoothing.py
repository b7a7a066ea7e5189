"""Cold-item smoothing: item embeddings blended with those of semantic neighbours.

New listings at Airbnb start with the mean vector of the listings most like them (Grbovic & Cheng,
KDD 2018); here neighbours are found by the cosine of frozen semantic embeddings, and an item with
few training events is smoothed a little. Whether that is better than what a model makes of a cold
item by itself depends on the data: experiments/results/cold-items.md.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fedrec.models.layers.fixed_shapes import by_blocks, products

TEMPERATURE = 0.1  # of a softmax over cosines; twice that was no better on Beauty's validation
LEAST_SHARE = 0.01  # below it an item is left as it is: popular items need no search
SCORES = 1 << 22  # cosines that are held at once, where those of ROWS items are fewer
ROWS = 64  # items that search at once at least: the neighbours' embeddings are read once for them


class Neighbours(NamedTuple):
    """R items that are smoothed, and k neighbours of each.

    Attributes:
        smoothed: (R,) Indices among the items asked for.
        neighbours: (n,) Numbers of all items that are a neighbour of any.
        rows: (R, k) Rows of ``neighbours``.
        weights: (R, k), Each row summing to 1.
    """

    smoothed: Tensor
    neighbours: Tensor
    rows: Tensor
    weights: Tensor


class NeighbourSmoothing:
    """Blend of an item's embedding with those of its k nearest semantic neighbours.

    An item of n training events keeps n / (n + m) of its own vector. The rest is the weighted mean
    of the vectors of its k nearest neighbours, by semantic embedding, among the items that were
    seen. With m above 0 nearly all items search among nearly all, once for a model: minutes, for
    100,000 items on one core.

    Args:
        neighbours: K.
        events: M, how many training events the neighbours count for; with 0, only items that were
            never seen are smoothed.
    """

    def __init__(self, neighbours: int, events: float) -> None:
        self.neighbours, self.events = neighbours, events
        self._asked: tuple[Tensor, Tensor] | None = None  # items and counts of the last search
        self._found: Neighbours | None = None

    def __call__(
        self,
        items: Tensor,
        vectors: Tensor,
        *,
        semantic: Tensor,
        frequency: Tensor,
        vectors_of: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """The vectors (K, D) of items, smoothed.

        Where no item was seen, as when clients share no counts, nothing is smoothed; an item
        without a semantic embedding, a row of zeros, is neither smoothed nor a neighbour.

        Args:
            items: (K,) Item numbers; 0, the padding, stays as it is.
            vectors: (K, D) Their own embeddings.
            semantic: (V + 1, S) Frozen embedding table.
            frequency: (V + 1,) Training events.
            vectors_of: Function from items (n,) to their own embeddings (n, D).
        """
        found = self._search(items, frequency, semantic)
        if not len(found.smoothed):
            return vectors
        (own,) = by_blocks(lambda some: (vectors_of(some),), found.neighbours)
        theirs = torch.zeros_like(vectors[found.smoothed])
        for rows, weights in zip(found.rows.T, found.weights.T, strict=True):
            theirs = theirs + own[rows] * weights.unsqueeze(-1)
        share = self._share(frequency[items[found.smoothed]]).unsqueeze(-1)
        mixed = vectors[found.smoothed] * (1 - share) + theirs * share
        return vectors.index_copy(0, found.smoothed, mixed)

    def _share(self, frequency: Tensor) -> Tensor:
        """Share of the neighbours in a vector after so many training events."""
        if not self.events:
            return (frequency == 0).to(frequency.dtype)
        return self.events / (frequency + self.events)

    def _search(self, items: Tensor, frequency: Tensor, semantic: Tensor) -> Neighbours:
        """The neighbours of items; the last result, where the same is asked again."""
        asked = (items, frequency)
        if self._found is None or not all(map(torch.equal, asked, self._asked or ())):
            with torch.inference_mode(False), torch.no_grad():  # it outlives this call
                self._asked = (items.clone(), frequency.clone())
                self._found = self._nearest(*self._asked, semantic)
        return self._found

    def _nearest(self, items: Tensor, frequency: Tensor, semantic: Tensor) -> Neighbours:
        says = semantic.square().sum(dim=1) > 0
        able = torch.nonzero((frequency > 0) & says).squeeze(1)
        needs = (self._share(frequency[items]) >= LEAST_SHARE) & says[items] & (items > 0)
        smoothed = torch.nonzero(needs).squeeze(1)
        if not len(able) or not len(smoothed):
            none = smoothed[:0]
            return Neighbours(none, none, none.unsqueeze(1), semantic.new_zeros(0, 1))
        of_able, parts = _unit(semantic[able]), []
        for some in torch.split(items[smoothed], max(ROWS, SCORES // len(able))):
            cosines = products(_unit(semantic[some]), of_able)
            cosines = cosines.masked_fill(some.unsqueeze(1) == able, -2.0)  # itself, at the end
            parts.append(cosines.topk(min(self.neighbours, len(able)), dim=1))
        nearest = torch.cat([part.indices for part in parts])
        neighbours, rows = torch.unique(able[nearest], return_inverse=True)
        best = torch.cat([part.values for part in parts])
        return Neighbours(smoothed, neighbours, rows, (best / TEMPERATURE).softmax(dim=1))


def _unit(rows: Tensor) -> Tensor:
    """Rows of length 1."""
    return nn.functional.normalize(rows, dim=1)
