"""Spread of metrics over clients or users: percentiles, the worst tenth, the Gini coefficient."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedrec.evaluation.metrics import Floats, hr, ndcg, refuse_no_user


def partition_means(
    values: Floats, partitions: NDArray[np.integer]
) -> tuple[NDArray[np.int64], Floats]:
    """Mean of one metric over the users of each partition that has any.

    Args:
        values: (U,) Values of a metric.
        partitions: (U,) Partition number of each user.

    Returns:
        (P,) partition numbers in ascending order, and (P,) means.
    """
    numbers, place = np.unique(partitions, return_inverse=True)
    sums = np.bincount(place, weights=values, minlength=len(numbers))
    return numbers.astype(np.int64), sums / np.bincount(place, minlength=len(numbers))


def spread(means: Floats) -> dict[str, float]:
    """Percentiles of a metric over partitions and the mean of the worst tenth.

    Args:
        means: (P,) One metric of every partition; P of at least 1.

    Returns:
        "p10", "p50", "p90" (linear interpolation) and "worst_decile", the mean of the
        ceil(P / 10) lowest.

    Raises:
        EvaluationError: There is no partition.
    """
    refuse_no_user(len(means))
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
        ranks: (U,) Ranks of the held-out items.
        partitions: (U,) Partition number of each user.
        at: The cut-offs.

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
        ranks: (U,) Ranks of the held-out items.

    Returns:
        {"rank": {"p10", "p50", "p90"}, "reciprocal rank": {...}}; a high rank is a bad one.
    """
    refuse_no_user(len(ranks))
    return {
        name: {f"p{share}": float(np.percentile(values, share)) for share in (10, 50, 90)}
        for name, values in (("rank", ranks), ("reciprocal rank", 1 / ranks))
    }


def gini(values: Floats) -> float:
    """Gini coefficient of a metric: 0 where everybody has the same, near 1 where one has all.

    Half the mean absolute difference of two users drawn with replacement, over the mean.

    Args:
        values: (U,) values of a metric, none below 0.

    Returns:
        The coefficient; 0 where nobody has anything.

    Raises:
        EvaluationError: There is no user.
    """
    count = len(values)
    refuse_no_user(count)
    total = float(values.sum())
    if not total:
        return 0.0
    places = 2 * np.arange(1, count + 1) - count - 1
    return float(places @ np.sort(values) / (count * total))


def divergences(counts: NDArray[np.integer], all_counts: NDArray[np.integer] | Floats) -> Floats:
    """Jensen-Shannon divergence of each client's shares of items to those of all, in bits.

    Args:
        counts: (C, V) Events of each client by item; each client has one or more.
        all_counts: (V,) Events of all by item.

    Returns:
        (C,) values in 0..1: 0 for equal shares, 1 for no item in common. Lin, IEEE Transactions on
        Information Theory 37 (1991), with logarithms to the base 2.
    """
    own = counts / counts.sum(axis=1, keepdims=True)
    whole = np.broadcast_to(all_counts / all_counts.sum(), own.shape)
    middle = (own + whole) / 2
    return (_relative_entropy(own, middle) + _relative_entropy(whole, middle)) / 2


def _relative_entropy(shares: Floats, base: Floats) -> Floats:
    """Kullback-Leibler divergence of each row (C, V), with 0 log 0 = 0."""
    ratio = np.divide(shares, base, out=np.ones_like(shares), where=shares > 0)
    found: Floats = (shares * np.log2(ratio)).sum(axis=1)
    return found
