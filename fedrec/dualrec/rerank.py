"""Rerank lists by the meaning of their items against stage 1's prediction, never the truth.

DUALRec (arXiv 2507.13957) sorts by cosine to the predicted item alone. Here this is one end of a
mix whose weight validation users choose; 0, stage 1's own order, is always among the choices.

    mixed = (1 - w) * base + w * cosine,    w in {0, .1, ..., 1}
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedrec.errors import EvaluationError

WEIGHTS = tuple(step / 10 for step in range(11))
Lists = NDArray[np.integer]
Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ChosenWeight:
    """A weight that validation users chose.

    Attributes:
        weight: The smallest of the best weights.
        ndcg: NDCG@k of the validation users by weight.
        at: k.
        users: Validation users.
    """

    weight: float
    ndcg: dict[float, float]
    at: int
    users: int


def cosine_to_predicted(
    lists: Lists, predicted: NDArray[np.integer], table: NDArray[np.floating]
) -> Values:
    """Cosine of each listed item to the item that stage 1 predicts for the user.

    Args:
        lists: (U, K) Items; 0 fills a list that is shorter.
        predicted: (U,) Stage 1's first item.
        table: (V + 1, S) Frozen sentence embeddings.

    Returns:
        (U, K) cosines; 0 where a vector is zero.

    Raises:
        EvaluationError: Shapes that do not fit.
    """
    _check(lists, predicted=predicted)
    rows = table.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    cosines: Values = np.einsum("uks,us->uk", units[lists], units[predicted])
    return cosines


def reciprocal_ranks(lists: Lists) -> Values:
    """(U, K) Base of a mix: 1, 1/2, 1/3, ... down each list of stage 1."""
    return np.broadcast_to(1 / np.arange(1, lists.shape[1] + 1), lists.shape).copy()


def standardised(values: NDArray[np.floating], lists: Lists) -> Values:
    """Values (U, K) with mean 0 and deviation 1 over each list; 0 where all are equal.

    Args:
        values: (U, K) Scores of stage 1, or cosines.
        lists: (U, K) Items; places of item 0 count for nothing.
    """
    real = lists > 0
    count = np.maximum(real.sum(axis=1, keepdims=True), 1)
    kept = np.where(real, values, 0.0).astype(np.float64)
    middle = np.where(real, kept - kept.sum(axis=1, keepdims=True) / count, 0.0)
    deviation = np.sqrt((middle**2).sum(axis=1, keepdims=True) / count)
    # Equal values differ by rounding alone, which must not be blown up.
    is_spread = deviation > 1e-12 * np.abs(kept).max(axis=1, keepdims=True)
    found: Values = np.divide(middle, deviation, out=np.zeros_like(middle), where=is_spread)
    return found


def sorted_by(lists: Lists, values: NDArray[np.floating]) -> Lists:
    """Lists (U, K) by falling value; equal ones keep their order, item 0 goes behind."""
    order = np.argsort(np.where(lists > 0, -values, np.inf), axis=1, kind="stable")
    found: Lists = np.take_along_axis(lists, order, axis=1)
    return found


def reranked_as_published(
    lists: Lists, predicted: NDArray[np.integer], table: NDArray[np.floating]
) -> Lists:
    """Lists (U, K) by cosine to stage 1's prediction alone; see ``cosine_to_predicted``."""
    return sorted_by(lists, cosine_to_predicted(lists, predicted, table))


def reranked(
    lists: Lists, base: NDArray[np.floating], cosine: NDArray[np.floating], weight: float
) -> Lists:
    """Lists by (1 - weight) * base + weight * cosine.

    Args:
        lists: (U, K) Items in the order of stage 1.
        base: (U, K) ``reciprocal_ranks``, or ``standardised`` scores of stage 1.
        cosine: (U, K) ``cosine_to_predicted``, standardised where the base is.
        weight: w from 0 to 1; at 0 the lists stay as they are.

    Raises:
        EvaluationError: A weight outside 0..1, or shapes that do not fit.
    """
    if not 0 <= weight <= 1:
        raise EvaluationError(f"the weight of a mix is from 0 to 1, got {weight}")
    if not lists.shape == base.shape == cosine.shape:
        raise EvaluationError(
            f"lists are {lists.shape}, but base {base.shape} and cosine {cosine.shape}"
        )
    return lists.copy() if weight == 0 else sorted_by(lists, (1 - weight) * base + weight * cosine)


def choose_weight(
    lists: Lists,
    base: NDArray[np.floating],
    cosine: NDArray[np.floating],
    validation_items: NDArray[np.integer],
    *,
    at: int = 5,
    weights: Sequence[float] = WEIGHTS,
) -> ChosenWeight:
    """Choose the weight with the best NDCG@k of validation users.

    The held-out items of validation users judge the orders; no score is made from them. Users of
    the test must not be among these.

    Args:
        lists: (U, K) Lists of the validation users.
        base: (U, K) See ``reranked``.
        cosine: (U, K) See ``reranked``.
        validation_items: (U,) The next item of each.
        at: k.
        weights: Weights to choose from; 0 must be one.

    Raises:
        EvaluationError: No user, no weight 0, or shapes that do not fit.
    """
    if not len(lists) or 0 not in weights or at < 1:
        raise EvaluationError(
            f"choosing a weight needs validation users, the weight 0 and k of 1 or more, got "
            f"{len(lists)} users, weights {list(weights)}, k {at}"
        )
    _check(lists, validation_items=validation_items)
    values = {
        float(weight): ndcg(reranked(lists, base, cosine, weight), validation_items, at)
        for weight in sorted(weights)
    }
    best = max(values.values())
    # The smallest of the best: a gain that is none must leave stage 1's order alone.
    chosen = next(weight for weight, value in values.items() if value >= best)
    return ChosenWeight(weight=chosen, ndcg=values, at=at, users=len(lists))


def ndcg(lists: Lists, items: NDArray[np.integer], at: int) -> float:
    """Mean of 1 / log2(1 + rank) of each user's one item, 0 behind place ``at`` or if unlisted."""
    hits = lists[:, :at] == items[:, None]
    gains = hits / np.log2(2 + np.arange(hits.shape[1]))
    # An item listed twice counts once, at its first place.
    return float(gains.max(axis=1).mean())


def _check(lists: Lists, **others: NDArray[np.generic]) -> None:
    for name, other in others.items():
        if lists.ndim != 2 or other.shape[:1] != lists.shape[:1]:
            raise EvaluationError(
                f"lists are {lists.shape} and {name} {other.shape}; expected (users, K) and one "
                "entry a user"
            )
