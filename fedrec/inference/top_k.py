"""The k best items of a catalogue, exactly, a block of scores at a time.

    scores of a block -> rows whose best beats their k-th so far -> k best of those -> merged

Most blocks of a large catalogue hold no item of the top k: their largest score, which costs a
fiftieth of a sort, shows that. Equal scores stand in the order of the items' numbers, so the
answer does not depend on where blocks begin.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

ScoreItems = Callable[[int, int], Tensor]  # first and last + 1 of some items -> (B, b) scores


class Excluded:
    """Items that are no candidates, by row, without a mask over the catalogue.

    Args:
        items: Numbers of each of the B rows, in any order; repeats are fine.
        device: Device of the scores.
    """

    def __init__(self, items: Sequence[np.ndarray], device: torch.device) -> None:
        rows = np.repeat(np.arange(len(items)), [len(row) for row in items])
        numbers = np.concatenate([np.zeros(0, dtype=np.int64), *items]).astype(np.int64)
        order = np.argsort(numbers, kind="stable")
        self._numbers = numbers[order]
        self._rows = torch.from_numpy(rows[order]).to(device)
        self._columns = torch.from_numpy(self._numbers).to(device)

    def strike(self, scores: Tensor, first: int) -> None:
        """Set the scores (B, b) of excluded items among ``first``, first + 1, ... to -inf."""
        low, high = np.searchsorted(self._numbers, [first, first + scores.shape[1]])
        if low < high:
            scores[self._rows[low:high], self._columns[low:high] - first] = -torch.inf


def top_k(
    score: ScoreItems, items: range, k: int, *, block: int, excluded: Excluded | None = None
) -> tuple[Tensor, Tensor]:
    """The k best of some items for each of B rows.

    Args:
        score: Function that gives finite scores that nobody else needs: they are written to.
        items: Numbers of the candidates, one after the other, at least one.
        k: How many, at least 1.
        block: Items that are scored at once.
        excluded: Items that are no candidates.

    Returns:
        Scores (B, k) from the best on and the items' numbers (B, k). Where a row has fewer than k
        candidates, the rest is -inf and 0.
    """
    best: Tensor | None = None
    numbers = torch.empty(0)
    for first in range(items.start, items.stop, block):
        scores = score(first, min(first + block, items.stop))
        if excluded is not None:
            excluded.strike(scores, first)
        if best is None:
            best = scores.new_full((len(scores), k), -torch.inf)
            numbers = torch.zeros(best.shape, dtype=torch.int64, device=best.device)
        # Not >=: an equal item of a later block has a higher number.
        rows = torch.nonzero(scores.amax(dim=1) > best[:, -1]).flatten()
        if not len(rows):
            continue
        found, places = _best_of(scores if len(rows) == len(scores) else scores[rows], k)
        # Stable: what was found before stands before its equals.
        together, order = torch.cat([best[rows], found], dim=1).sort(
            dim=1, descending=True, stable=True
        )
        candidates = torch.cat([numbers[rows], places + first], dim=1)
        best[rows], numbers[rows] = together[:, :k], candidates.gather(1, order[:, :k])
    if best is None:
        raise ValueError("top_k of no items")
    return best, numbers.masked_fill(best == -torch.inf, 0)


def _best_of(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best scores (B, k) of each row, and their places; of equal ones the first."""
    k = min(k, scores.shape[1])
    found, places = scores.topk(k, dim=1)
    is_torn = (scores >= found[:, -1:]).sum(dim=1) > k  # torch takes any of the equal ones
    places, order = places.sort(dim=1)
    found, order = found.gather(1, order).sort(dim=1, descending=True, stable=True)
    places = places.gather(1, order)
    if is_torn.any():
        values, every = scores[is_torn].sort(dim=1, descending=True, stable=True)
        found[is_torn], places[is_torn] = values[:, :k], every[:, :k]
    return found, places
