"""Bootstrap intervals of means over users (Efron and Tibshirani, 1993)."""

from collections.abc import Mapping

import numpy as np

from fedrec.evaluation.metrics import Floats, refuse_no_user
from fedrec.randomness import generator

_CELLS = 1 << 21  # resampled weights held at once: 2^21 float64 are 16 MiB


def intervals(
    values: Mapping[str, Floats], seed: int, *, name: str = "users", resamples: int = 1000
) -> dict[str, dict[str, float]]:
    """Compute means with their 95 % percentile bootstrap intervals over users.

    All metrics see the same resampled users, so each interval depends on the seed and name
    alone and not on which metrics stand beside it.

    Args:
        values: Metric name to (U,) values, as `per_user` gives them.
        seed: Seed of the run.
        name: What is resampled ("test", a slice); other names are other streams.
        resamples: How many times U users are drawn with replacement.

    Returns:
        Metric name to {"value", "low", "high", "users"}, the last one U.

    Raises:
        EvaluationError: There is no user.
    """
    if not values:
        return {}
    table = np.stack(list(values.values()), axis=1)
    means = resampled_means(table, seed, name=name, resamples=resamples)
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return {
        metric: {"value": float(value), "low": float(a), "high": float(b), "users": len(table)}
        for metric, value, a, b in zip(values, table.mean(axis=0), low, high, strict=True)
    }


def resampled_means(table: Floats, seed: int, *, name: str, resamples: int) -> Floats:
    """Means over users drawn with replacement, the same ones for every column.

    Args:
        table: (U, M) Values of each user.
        seed: Seed of the run.
        name: What is resampled; other names are other streams.
        resamples: How many times U users are drawn.

    Returns:
        (resamples, M).

    Raises:
        EvaluationError: There is no user.
    """
    users = len(table)
    refuse_no_user(users)
    rng = generator(seed, "bootstrap", name)
    means = np.empty((resamples, table.shape[1]))
    size = max(1, _CELLS // users)
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = rng.integers(0, users, size=(rows, users)) + np.arange(rows)[:, None] * users
        times = np.bincount(drawn.ravel(), minlength=rows * users).reshape(rows, users)
        means[start : start + rows] = times.astype(np.float64) @ table / users
    return means
