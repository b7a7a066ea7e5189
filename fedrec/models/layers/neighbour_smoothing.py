"""Vectors lent to items that are seldom or never seen by the items that mean nearly the same.

New listings at Airbnb start with the mean vector of the listings most like them (Grbovic & Cheng,
KDD 2018); here likeness is the cosine of frozen meanings, and an item that has been seen a little
borrows a little. Whether that is better than what a model makes of an unseen item by itself depends
on the data: experiments/results/cold-items.md.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

SHARPNESS = 0.1  # of a softmax over cosines; twice that was no better on Beauty's validation
LEAST_SHARE = 0.01  # who would borrow less borrows nothing: popular items need no search
SCORES = 1 << 22  # cosines that are held at once, where those of ROWS items are fewer
ROWS = 64  # items that search at once at least: the lenders' meanings are read once for them
FOLD_ROWS = 1 << 14  # lenders that are looked up at once


class Found(NamedTuple):
    """R items that borrow, and k lenders of each.

    Attributes:
        places: (R,) among the items asked for.
        lenders: (n,) numbers of the items that lend to anybody.
        rows: (R, k) of ``lenders``.
        weights: (R, k), each row summing to 1.
    """

    places: Tensor
    lenders: Tensor
    rows: Tensor
    weights: Tensor


class Lending:
    """Who lends to whom, and how much.

    An item of n training events keeps n / (n + m) of its own vector. The rest is the weighted mean
    of the vectors of its k nearest neighbours in meaning among the items that were seen. With m
    above 0 nearly all items search among nearly all, once for a model: minutes, for 100,000 items
    on one core.

    Args:
        neighbours: k.
        events: m, how many training events the neighbours count for; with 0, only items that were
            never seen borrow.
    """

    def __init__(self, neighbours: int, events: float) -> None:
        self.neighbours, self.events = neighbours, events
        self._asked: tuple[Tensor, Tensor] | None = None  # items and counts of the last search
        self._found: Found | None = None

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

        Where no item was seen, as when clients share no counts, nobody borrows; an item without a
        meaning, a row of zeros, neither borrows nor lends.

        Args:
            items: (K,) numbers; 0, the padding, stays as it is.
            vectors: (K, D) their own.
            meaning: (V + 1, S) frozen table.
            frequency: (V + 1,) training events.
            vectors_of: own vectors (n, D) of items (n,).
        """
        found = self._search(items, frequency, meaning)
        if not len(found.places):
            return vectors
        own = torch.cat([vectors_of(part) for part in torch.split(found.lenders, FOLD_ROWS)])
        theirs = torch.zeros_like(vectors[found.places])
        for rows, weights in zip(found.rows.T, found.weights.T, strict=True):
            theirs = theirs + own[rows] * weights.unsqueeze(-1)
        share = self._share(frequency[items[found.places]]).unsqueeze(-1)
        mixed = vectors[found.places] * (1 - share) + theirs * share
        return vectors.index_copy(0, found.places, mixed)

    def _share(self, frequency: Tensor) -> Tensor:
        """How much of a vector is borrowed after so many training events."""
        if not self.events:
            return (frequency == 0).to(frequency.dtype)
        return self.events / (frequency + self.events)

    def _search(self, items: Tensor, frequency: Tensor, meaning: Tensor) -> Found:
        """Who lends to whom: the last answer, where the same is asked again."""
        asked = (items, frequency)
        if self._found is None or not all(map(torch.equal, asked, self._asked or ())):
            with torch.inference_mode(False), torch.no_grad():  # it outlives this call
                self._asked = (items.clone(), frequency.clone())
                self._found = self._nearest(*self._asked, meaning)
        return self._found

    def _nearest(self, items: Tensor, frequency: Tensor, meaning: Tensor) -> Found:
        says = meaning.square().sum(dim=1) > 0
        able = torch.nonzero((frequency > 0) & says).squeeze(1)
        needs = (self._share(frequency[items]) >= LEAST_SHARE) & says[items] & (items > 0)
        places = torch.nonzero(needs).squeeze(1)
        if not len(able) or not len(places):
            none = places[:0]
            return Found(none, none, none.unsqueeze(1), meaning.new_zeros(0, 1))
        of_lenders, parts = _unit(meaning[able]), []
        for some in torch.split(items[places], max(ROWS, SCORES // len(able))):
            cosines = _unit(meaning[some]) @ of_lenders.T
            cosines = cosines.masked_fill(some.unsqueeze(1) == able, -2.0)  # itself, at the end
            parts.append(cosines.topk(min(self.neighbours, len(able)), dim=1))
        indices = torch.cat([part.indices for part in parts])
        lenders, rows = torch.unique(able[indices], return_inverse=True)
        best = torch.cat([part.values for part in parts])
        return Found(places, lenders, rows, (best / SHARPNESS).softmax(dim=1))


def _unit(rows: Tensor) -> Tensor:
    """Rows of length 1."""
    return nn.functional.normalize(rows, dim=1)
