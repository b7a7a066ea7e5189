"""The rank of a held-out item: 1 + better items + half of the equal ones.

Ties count half, so that a scorer with equal scores everywhere gets the middle rank; counting only
better items would give it rank 1.
"""

import numpy as np
from numpy.typing import NDArray

from fedrec.errors import EvaluationError

# Users per block: the comparisons of one block (about a quarter of a million) stay in the cache.
_BLOCK_CELLS = 1 << 18


def ranks_of(
    scores: NDArray[np.floating],
    targets: NDArray[np.integer],
    excluded: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Rank every user's target among all items that are not excluded.

    Args:
        scores: (B, V+1), Higher is better; column 0 (padding) is never a candidate.
        targets: (B,) Items of 1..V.
        excluded: (B, V+1), True for items left out, usually the history. A target is never
            excluded, even if the user has had that item before.

    Returns:
        (B,) ranks, 1 is the top; halves come from ties.

    Raises:
        EvaluationError: Shapes that do not fit, a target outside 1..V, or a NaN score.
    """
    _check_shapes(scores, targets, excluded)
    ranks = np.empty(len(scores), dtype=np.float64)
    with_nan = 0
    size = max(1, _BLOCK_CELLS // max(1, scores.shape[1]))
    for start in range(0, len(scores), size):
        block = slice(start, start + size)
        items, chosen = scores[block, 1:], targets[block] - 1
        allowed = None if excluded is None else ~excluded[block, 1:]
        ranks[block] = _ranks(items, chosen, allowed)
        # The largest of a row is NaN exactly when one of the row is.
        with_nan += int(np.isnan(items.max(axis=1)).sum())
    _refuse_nan(with_nan, len(scores))
    return ranks


def candidate_ranks(
    scores: NDArray[np.floating], excluded: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Rank the first of K candidates among them all.

    Args:
        scores: (B, K), The target's score in the first column.
        excluded: (B, K), True for columns that are no candidates; the target never is excluded.

    Returns:
        (B,) ranks in 1..K.

    Raises:
        EvaluationError: Shapes that do not fit, or a NaN score.
    """
    if scores.ndim != 2 or scores.shape[1] < 1:
        raise EvaluationError(f"candidate scores must be (users, candidates), got {scores.shape}")
    if excluded is not None and excluded.shape != scores.shape:
        raise EvaluationError(f"excluded is {excluded.shape}, but scores are {scores.shape}")
    _refuse_nan(int(np.isnan(scores).any(axis=1).sum()), len(scores))
    allowed = None if excluded is None else ~excluded
    return _ranks(scores, np.zeros(len(scores), dtype=np.int64), allowed)


def num_candidates(targets: NDArray[np.integer], excluded: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many items each user's full ranking holds, the target included.

    Args:
        targets: (B,) Items of 1..V.
        excluded: (B, V + 1) Exclusions, as given to `ranks_of`.

    Returns:
        (B,) counts.
    """
    users = np.arange(len(targets))
    open_items: NDArray[np.int64] = (~excluded[:, 1:]).sum(axis=1)
    counts: NDArray[np.int64] = open_items + excluded[users, targets]
    return counts


def _ranks(
    items: NDArray[np.floating],
    chosen: NDArray[np.integer],
    allowed: NDArray[np.bool_] | None,
) -> NDArray[np.float64]:
    own = np.take_along_axis(items, chosen[:, None], axis=1)
    better, at_least = items > own, items >= own
    if allowed is not None:
        better &= allowed
        at_least &= allowed
    np.put_along_axis(at_least, chosen[:, None], True, axis=1)
    # better + (equal others) / 2 + 1 = (better + at_least + 1) / 2, the target being in at_least.
    return (_row_counts(better) + _row_counts(at_least) + 1) / 2


def _row_counts(marks: NDArray[np.bool_]) -> NDArray[np.int64]:
    # One fast call a row; numpy's count along an axis goes through a cast and is slower.
    return np.fromiter(map(np.count_nonzero, marks), dtype=np.int64, count=len(marks))


def _check_shapes(
    scores: NDArray[np.floating],
    targets: NDArray[np.integer],
    excluded: NDArray[np.bool_] | None,
) -> None:
    if scores.ndim != 2 or scores.shape[1] < 2 or targets.shape != scores.shape[:1]:
        raise EvaluationError(
            f"scores must be (users, items + 1) with one target a user, got scores "
            f"{scores.shape} and targets {targets.shape}"
        )
    if excluded is not None and excluded.shape != scores.shape:
        raise EvaluationError(f"excluded is {excluded.shape}, but scores are {scores.shape}")
    if len(targets) and not (targets.min() >= 1 and targets.max() < scores.shape[1]):
        raise EvaluationError(
            f"targets must be items of 1..{scores.shape[1] - 1}, "
            f"got {targets.min()}..{targets.max()}"
        )


def _refuse_nan(with_nan: int, users: int) -> None:
    if with_nan:
        raise EvaluationError(
            f"{with_nan} of {users} users have NaN scores, which no rank can be taken of; "
            "the model has diverged (lower local.learning-rate) or its scores are wrong"
        )
