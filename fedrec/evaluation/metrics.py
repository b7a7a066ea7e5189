"""Metrics as functions of ranks, one value for every user, and their means.

A new metric is a function here and a row in ``METRICS_AT_K`` or ``METRICS``: results, report and
tables follow. Every user has one held-out item, so HR@k and Recall@k are the same number; both
names exist because both are used in print.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fedrec.errors import ConfigError, EvaluationError

Floats = NDArray[np.float64]
Candidates = int | NDArray[np.integer]
CUTOFFS = (5, 10, 20)
# Genres in common with the held-out item: of the first item, and of one drawn from all.
GENRE_JACCARD = ("genre Jaccard@1", "genre Jaccard, random order")
SELECTING_CUTOFF = 10  # that of the validation metric by which the best round is picked

UserMetric = Callable[[Floats, NDArray[np.integer]], Floats]  # ranks, candidates (U,) -> (U,)
NO_USER_METRICS: Mapping[str, UserMetric] = {}


def hr(ranks: Floats, k: int) -> Floats:
    """1 where the held-out item is among the first k, else 0; (U,) from (U,)."""
    check_cutoffs((k,))
    return (ranks <= k).astype(np.float64)


def recall(ranks: Floats, k: int) -> Floats:
    """Share of the held-out items among the first k: with one per user, HR@k."""
    return hr(ranks, k)


def ndcg(ranks: Floats, k: int) -> Floats:
    """1 / log2(1 + rank) within the first k, else 0: the ideal gain is 1; (U,) from (U,)."""
    check_cutoffs((k,))
    return np.where(ranks <= k, 1 / np.log2(1 + ranks), 0.0)


def mrr(ranks: Floats, k: int | None = None) -> Floats:
    """1 / rank, or 0 beyond the first k if k is given; (U,) from (U,)."""
    if k is None:
        return 1 / ranks
    check_cutoffs((k,))
    return np.where(ranks <= k, 1 / ranks, 0.0)


def auc(ranks: Floats, num_candidates: Candidates) -> Floats:
    """Share of the other candidates that rank below the held-out item, ties by half.

    Args:
        ranks: (U,) Ranks of the held-out items.
        num_candidates: Candidates ranked, the held-out item included: one number or (U,).

    Returns:
        (U,) values in 0..1; (num_candidates - rank) / (num_candidates - 1), and 1/2 where the
        held-out item was the only candidate.

    Raises:
        EvaluationError: A rank beyond the last candidate.
    """
    counts = np.broadcast_to(np.asarray(num_candidates), ranks.shape)
    if np.any(ranks > counts):
        user = int(np.argmax(ranks > counts))
        raise EvaluationError(
            f"rank {ranks[user]} lies beyond the {counts[user]} candidates; "
            "num_candidates must be that of the protocol that made the ranks"
        )
    return np.where(counts > 1, (counts - ranks) / np.maximum(counts - 1, 1), 0.5)


def check_cutoffs(at: Sequence[int], num_candidates: Candidates | None = None) -> None:
    """Refuse a cut-off k that is not positive, or larger than what is ranked.

    Args:
        at: The cut-offs, values of `evaluation.at`.
        num_candidates: Items in the catalogue, or candidates per user; the largest counts. The
            cut-off that selects the best round passes beyond it, too: a run cannot do without.

    Raises:
        ConfigError: Naming the cut-off and its bound.
    """
    for k in at:
        if k <= 0:
            raise ConfigError(f"evaluation.at holds {k}; a cut-off k must be 1 or more")
        if k == SELECTING_CUTOFF or num_candidates is None:
            continue
        if k > np.max(num_candidates):
            raise ConfigError(
                f"evaluation.at holds {k}, but only {np.max(num_candidates)} items are ranked; "
                "leave it out of evaluation.at"
            )


# Name -> metric with a cut-off, once for each k of evaluation.at: "HR@10".
METRICS_AT_K: dict[str, Callable[[Floats, int], Floats]] = {
    "HR": hr,
    "NDCG": ndcg,
    "Recall": recall,
}

# Name -> metric of the whole ranking; those that need the number of candidates are left out where
# it is unknown.
METRICS: dict[str, Callable[[Floats], Floats]] = {"MRR": mrr}
METRICS_OF_CANDIDATES: dict[str, Callable[[Floats, Candidates], Floats]] = {"AUC": auc}


def per_user(
    ranks: Floats,
    num_candidates: Candidates | None = None,
    at: Sequence[int] = CUTOFFS,
    user_metrics: Mapping[str, UserMetric] = NO_USER_METRICS,
) -> dict[str, Floats]:
    """Every metric of every user, by name: "HR@10", "NDCG@10", "Recall@10", "MRR", "AUC".

    Args:
        ranks: (U,) Ranks of the held-out items.
        num_candidates: Candidates ranked, one number or (U,); without it there is no AUC.
        at: Cut-offs.
        user_metrics: Further metrics by name, see ``fedrec.evaluation.user_metrics``.

    Returns:
        Name to (U,) values.

    Raises:
        ConfigError: A cut-off that is not positive.
        EvaluationError: A user metric gives no finite value for every user.
    """
    check_cutoffs(at)  # one beyond a few users' candidates is well defined: every rank is within
    values = {f"{name}@{k}": metric(ranks, k) for k in at for name, metric in METRICS_AT_K.items()}
    values |= {name: metric(ranks) for name, metric in METRICS.items()}
    if num_candidates is not None:
        sizes = np.broadcast_to(np.asarray(num_candidates), ranks.shape)
        values |= {n: metric(ranks, sizes) for n, metric in METRICS_OF_CANDIDATES.items()}
        values |= {name: metric(ranks, sizes) for name, metric in user_metrics.items()}
    return values


def summary(
    ranks: Floats,
    num_candidates: Candidates | None = None,
    at: Sequence[int] = CUTOFFS,
    user_metrics: Mapping[str, UserMetric] = NO_USER_METRICS,
) -> dict[str, float]:
    """Mean over users of every metric of `per_user`.

    Raises:
        ConfigError: A cut-off that is not positive.
        EvaluationError: There is no user.
    """
    refuse_no_user(len(ranks))
    values = per_user(ranks, num_candidates, at, user_metrics)
    return {name: float(each.mean()) for name, each in values.items()}


def chance(num_candidates: Candidates, k: int) -> dict[str, float]:
    """HR@k and NDCG@k of rankings in random order, in the mean over users.

    Each of a user's n candidates is as likely as any other to be the held-out item: HR@k is
    min(k, n) / n, and NDCG@k the sum over the first k ranks of 1 / log2(1 + rank), over n.

    Args:
        num_candidates: N, one number or (U,).
        k: The cut-off.

    Raises:
        ConfigError: A cut-off that is not positive.
    """
    check_cutoffs((k,))
    counts = np.atleast_1d(np.asarray(num_candidates))
    gains = np.cumsum(1 / np.log2(1 + np.arange(1, k + 1)))
    reached = np.minimum(counts, k)
    return {
        f"HR@{k}": float((reached / counts).mean()),
        f"NDCG@{k}": float((gains[reached - 1] / counts).mean()),
    }


def refuse_no_user(count: int) -> None:
    """Refuse a mean over no user.

    Raises:
        EvaluationError: There is no user.
    """
    if count == 0:
        raise EvaluationError("no user was evaluated, so there is no mean to report")
