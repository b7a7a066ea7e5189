"""Vectors lent to items that are seldom or never seen by the items that mean nearly the same.

New listings at Airbnb start with the mean vector of the listings most like them (Grbovic & Cheng,
KDD 2018); here likeness is the cosine of frozen meanings, and an item that has been seen a little
borrows a little. Whether that is better than what a model makes of an unseen item by itself depends
on the data: experiments/results/beauty.md.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

SHARPNESS = 0.1  # of a softmax over cosines; validation of Beauty picked it: experiments/results
LEAST_SHARE = 0.01  # who would borrow less borrows nothing: popular items need no search
SCORES = 1 << 22  # cosines that are held at once


class Lending:
    """Who lends to whom, and how much.

    An item of n training events keeps n / (n + m) of its own vector. The rest is the weighted mean
    of the vectors of its k nearest neighbours in meaning among the items that were seen.

    Args:
        neighbours: k.
        events: m, how many training events the neighbours count for; with 0, only items that were
            never seen borrow.
    """

    def __init__(self, neighbours: int, events: float) -> None:
        self.neighbours, self.events = neighbours, events
        self._asked = torch.empty(0, dtype=torch.long)  # the items of the last search
        self._found: tuple[Tensor, Tensor, Tensor] | None = None

    def __call__(
        self,
        items: Tensor,
        vectors: Tensor,
        *,
        meaning: Tensor,
        frequency: Tensor,
        vectors_of: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """The vectors (K, D) of items with what they borrow.

        Where no item was seen, as when clients share no counts, nobody borrows; an item of which
        no text says anything neither borrows nor lends.

        Args:
            items: (K,) numbers; 0, the padding, stays as it is.
            vectors: (K, D) their own.
            meaning: (V + 1, S) frozen table.
            frequency: (V + 1,) training events.
            vectors_of: own vectors (n, D) of items (n,).
        """
        if self._found is None or not torch.equal(items, self._asked):
            with torch.inference_mode(False), torch.no_grad():  # it outlives this call
                self._found = self._search(items.clone(), meaning, frequency)
                self._asked = items.clone()
        places, lenders, weights = self._found
        if not len(places):
            return vectors
        numbers, rows = torch.unique(lenders, return_inverse=True)
        theirs = (vectors_of(numbers)[rows] * weights.unsqueeze(-1)).sum(dim=1)
        share = self._share(frequency[items[places]]).unsqueeze(-1)
        return vectors.index_copy(0, places, vectors[places] * (1 - share) + theirs * share)

    def _share(self, frequency: Tensor) -> Tensor:
        """How much of a vector is borrowed after so many training events."""
        if not self.events:
            return (frequency == 0).to(frequency.dtype)
        return self.events / (frequency + self.events)

    def _search(
        self, items: Tensor, meaning: Tensor, frequency: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Places (R,) in ``items`` of those that borrow, their lenders (R, k), weights (R, k)."""
        says = meaning.square().sum(dim=1) > 0
        able = torch.nonzero((frequency > 0) & says).squeeze(1)
        needs = (self._share(frequency[items]) >= LEAST_SHARE) & says[items] & (items > 0)
        places = torch.nonzero(needs).squeeze(1)
        k = min(self.neighbours, len(able) - 1)
        if k < 1:
            places = places[:0]
            return places, places.new_zeros(0, 0), meaning.new_zeros(0, 0)
        of_lenders = _unit(meaning[able])
        parts = []
        for some in torch.split(items[places], max(1, SCORES // len(able))):
            cosines = _unit(meaning[some]) @ of_lenders.T
            cosines = cosines.masked_fill(some.unsqueeze(1) == able, -2.0)  # nobody lends to itself
            parts.append(cosines.topk(k, dim=1))
        values = torch.cat([part.values for part in parts]) if parts else meaning.new_zeros(0, k)
        found = torch.cat([part.indices for part in parts]) if parts else places.new_zeros(0, k)
        return places, able[found], (values / SHARPNESS).softmax(dim=1)


def _unit(rows: Tensor) -> Tensor:
    """Rows of length 1."""
    return nn.functional.normalize(rows, dim=1)
