"""Two runs that ranked the same targets, compared user by user."""

from typing import Any

import numpy as np

from fedrec.errors import EvaluationError
from fedrec.evaluation.bootstrap import resampled_means
from fedrec.evaluation.metrics import Floats


def paired_difference(
    values_a: Floats, values_b: Floats, seed: int, resamples: int = 1000, *, name: str = "paired"
) -> dict[str, Any]:
    """Difference of one metric over the same users, with 95 % percentile bootstrap intervals.

    Both values of a user are drawn together, so that what makes a user easy or hard for both runs
    widens no interval.

    Args:
        values_a: (U,) Values of one run.
        values_b: (U,) Values of the other, of the same users in the same order.
        seed: Seed of the resampling.
        resamples: How many times U users are drawn with replacement.
        name: Name of what is resampled; other names are other streams.

    Returns:
        {"users": U, "a": mean, "b": mean, "difference": {"value", "low", "high"}, "ratio": ...}:
        the difference is a - b, and the ratio of the means a / b, none where b is 0 or so rarely
        more that it is 0 for some of the resampled users.

    Raises:
        EvaluationError: No user, or other numbers of them.
    """
    if values_a.shape != values_b.shape:
        raise EvaluationError(
            f"paired values must be of the same users, got {len(values_a)} and {len(values_b)}"
        )
    table = np.stack([values_a, values_b], axis=1)
    means = resampled_means(table, seed, name=name, resamples=resamples)
    a, b = table.mean(axis=0)
    ratio = _interval(a / b, means[:, 0] / means[:, 1]) if b and means[:, 1].all() else None
    return {
        "users": len(table),
        "a": float(a),
        "b": float(b),
        "difference": _interval(a - b, means[:, 0] - means[:, 1]),
        "ratio": ratio,
    }


def _interval(value: float, resampled: Floats) -> dict[str, float]:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return {"value": float(value), "low": float(low), "high": float(high)}
