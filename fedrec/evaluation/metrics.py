"""Metrics as functions of ranks, their averages, and how sure one can be of them.

Every user has one held-out item, so HR@k and Recall@k are the same number; both names exist
because both are used in print.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fedrec.errors import ConfigError, EvaluationError
from fedrec.randomness import generator

Floats = NDArray[np.float64]
Candidates = int | NDArray[np.integer]
CUTOFFS = (5, 10, 20)

# Resampled weights held at once by the bootstrap: 2^21 float64 are 16 MiB.
_BOOTSTRAP_CELLS = 1 << 21


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
        ranks: (U,).
        num_candidates: candidates ranked, the held-out item included: one number or (U,).

    Returns:
        (U,) values in 0..1; (num_candidates - rank) / (num_candidates - 1), and 1/2 where the
        held-out item was the only candidate.

    Raises:
        EvaluationError: a rank beyond the last candidate.
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
        at: the cut-offs, values of `evaluation.at`.
        num_candidates: items in the catalogue, or candidates per user; the largest counts.

    Raises:
        ConfigError: naming the cut-off and its bound.
    """
    for k in at:
        if k <= 0:
            raise ConfigError(f"evaluation.at holds {k}; a cut-off k must be 1 or more")
        if num_candidates is not None and k > np.max(num_candidates):
            raise ConfigError(
                f"evaluation.at holds {k}, but only {np.max(num_candidates)} items are ranked; "
                "lower evaluation.at (it must hold 10, so a catalogue needs 10 items or more)"
            )


def per_user(
    ranks: Floats, num_candidates: Candidates | None = None, at: Sequence[int] = CUTOFFS
) -> dict[str, Floats]:
    """Every metric of every user, by name: "HR@10", "NDCG@10", "Recall@10", "MRR", "AUC".

    Args:
        ranks: (U,).
        num_candidates: candidates ranked, one number or (U,); without it there is no AUC.
        at: the cut-offs.

    Returns:
        Name to (U,) values.

    Raises:
        ConfigError: a cut-off that is not positive or larger than num_candidates.
    """
    check_cutoffs(at, num_candidates if len(ranks) else None)
    values: dict[str, Floats] = {}
    for k in at:
        values |= {f"HR@{k}": hr(ranks, k), f"NDCG@{k}": ndcg(ranks, k)}
        values |= {f"Recall@{k}": recall(ranks, k)}
    values["MRR"] = mrr(ranks)
    if num_candidates is not None:
        values["AUC"] = auc(ranks, num_candidates)
    return values


def summary(
    ranks: Floats, num_candidates: Candidates | None = None, at: Sequence[int] = CUTOFFS
) -> dict[str, float]:
    """Mean over users of every metric of `per_user`.

    Raises:
        ConfigError: a cut-off that is not positive or larger than num_candidates.
        EvaluationError: there is no user.
    """
    _refuse_no_user(len(ranks))
    return {name: float(v.mean()) for name, v in per_user(ranks, num_candidates, at).items()}


def chance(num_candidates: Candidates, k: int) -> dict[str, float]:
    """HR@k and NDCG@k of rankings in random order, in the mean over users.

    Each of a user's n candidates is as likely as any other to be the held-out item: HR@k is
    min(k, n) / n, and NDCG@k the sum over the first k ranks of 1 / log2(1 + rank), over n.

    Args:
        num_candidates: n, one number or (U,).
        k: the cut-off.

    Raises:
        ConfigError: a cut-off that is not positive.
    """
    check_cutoffs((k,))
    counts = np.atleast_1d(np.asarray(num_candidates))
    gains = np.cumsum(1 / np.log2(1 + np.arange(1, k + 1)))
    reached = np.minimum(counts, k)
    return {
        f"HR@{k}": float((reached / counts).mean()),
        f"NDCG@{k}": float((gains[reached - 1] / counts).mean()),
    }


def intervals(
    values: Mapping[str, Floats], seed: int, *, name: str = "users", resamples: int = 1000
) -> dict[str, dict[str, float]]:
    """Means with their 95 % percentile bootstrap intervals over users.

    All metrics see the same resampled users, so each interval depends on the seed and name
    alone and not on which metrics stand beside it.

    Args:
        values: metric name to (U,) values, as `per_user` gives them.
        seed: seed of the run.
        name: what is resampled ("test", a slice); other names are other streams.
        resamples: how many times U users are drawn with replacement.

    Returns:
        Metric name to {"value", "low", "high"}.

    Raises:
        EvaluationError: there is no user.
    """
    if not values:
        return {}
    table = np.stack(list(values.values()), axis=1)
    means = resampled_means(table, seed, name=name, resamples=resamples)
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return {
        metric: {"value": float(value), "low": float(a), "high": float(b)}
        for metric, value, a, b in zip(values, table.mean(axis=0), low, high, strict=True)
    }


def resampled_means(table: Floats, seed: int, *, name: str, resamples: int) -> Floats:
    """Means over users drawn with replacement, the same ones for every column.

    Args:
        table: (U, M) values of each user.
        seed: seed of the run.
        name: what is resampled; other names are other streams.
        resamples: how many times U users are drawn.

    Returns:
        (resamples, M).

    Raises:
        EvaluationError: there is no user.
    """
    users = len(table)
    _refuse_no_user(users)
    rng = generator(seed, "bootstrap", name)
    means = np.empty((resamples, table.shape[1]))
    size = max(1, _BOOTSTRAP_CELLS // users)
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = rng.integers(0, users, size=(rows, users)) + np.arange(rows)[:, None] * users
        times = np.bincount(drawn.ravel(), minlength=rows * users).reshape(rows, users)
        means[start : start + rows] = times.astype(np.float64) @ table / users
    return means


def partition_means(
    values: Floats, partitions: NDArray[np.integer]
) -> tuple[NDArray[np.int64], Floats]:
    """Mean of one metric over the users of each partition that has any.

    Args:
        values: (U,).
        partitions: (U,) partition number of each user.

    Returns:
        (P,) partition numbers in ascending order, and (P,) means.
    """
    numbers, place = np.unique(partitions, return_inverse=True)
    sums = np.bincount(place, weights=values, minlength=len(numbers))
    return numbers.astype(np.int64), sums / np.bincount(place, minlength=len(numbers))


def spread(means: Floats) -> dict[str, float]:
    """How unequal partitions fare: percentiles over them and the mean of the worst tenth.

    Args:
        means: (P,) one metric of every partition; P of at least 1.

    Returns:
        "p10", "p50", "p90" (linear interpolation) and "worst_decile", the mean of the
        ceil(P / 10) lowest.

    Raises:
        EvaluationError: there is no partition.
    """
    _refuse_no_user(len(means))
    p10, p50, p90 = np.percentile(means, [10, 50, 90])
    worst = np.sort(means)[: -(-len(means) // 10)].mean()
    return {
        "p10": float(p10),
        "p50": float(p50),
        "p90": float(p90),
        "worst_decile": float(worst),
    }


def partition_spread(
    ranks: Floats, partitions: NDArray[np.integer], at: Sequence[int] = (10,)
) -> dict[str, dict[str, float]]:
    """`spread` of HR@k and NDCG@k over partitions, by metric name.

    Args:
        ranks: (U,).
        partitions: (U,) partition number of each user.
        at: the cut-offs.

    Returns:
        {"HR@10": {"p10", "p50", "p90", "worst_decile"}, "NDCG@10": {...}}.
    """
    found = {}
    for k in at:
        for metric, values in ((f"HR@{k}", hr(ranks, k)), (f"NDCG@{k}", ndcg(ranks, k))):
            found[metric] = spread(partition_means(values, partitions)[1])
    return found


def rank_spread(ranks: Floats) -> dict[str, dict[str, float]]:
    """Percentiles of ranks and reciprocal ranks over users, where every user is a client.

    Args:
        ranks: (U,).

    Returns:
        {"rank": {"p10", "p50", "p90"}, "reciprocal rank": {...}}; a high rank is a bad one.
    """
    _refuse_no_user(len(ranks))
    return {
        name: {f"p{share}": float(np.percentile(values, share)) for share in (10, 50, 90)}
        for name, values in (("rank", ranks), ("reciprocal rank", 1 / ranks))
    }


def _refuse_no_user(count: int) -> None:
    if count == 0:
        raise EvaluationError("no user was evaluated, so there is no mean to report")
