"""Metrics that a user brings as ``evaluation.metrics = "package.module:name"``.

A metric takes ranks (U,) and the numbers of candidates (U,) and returns (U,) values; it is
averaged over users, given an interval and shown under the name of the function:

    def mean_percentile(ranks, num_candidates):
        return 1 - (ranks - 1) / num_candidates

Ranks begin at 1; ties give halves.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedrec.config.failures import user_code_failures
from fedrec.config.values.import_strings import import_callable
from fedrec.errors import ConfigError, EvaluationError
from fedrec.evaluation.metrics import (
    METRICS,
    METRICS_AT_K,
    METRICS_OF_CANDIDATES,
    Floats,
    UserMetric,
)

_KEY = "evaluation.metrics"


def load_user_metrics(names: Sequence[str]) -> dict[str, UserMetric]:
    """Import metrics, each under the name of its function.

    Args:
        names: Import strings "package.module:name".

    Raises:
        ConfigError: One cannot be imported or called, or has the name of another metric.
    """
    metrics: dict[str, UserMetric] = {}
    for name in names:
        label = name.partition(":")[2]
        if label in {*metrics, *METRICS_AT_K, *METRICS, *METRICS_OF_CANDIDATES}:
            raise ConfigError(
                f"{_KEY} names {label!r} twice, or as one of fedrec's own metrics; rename yours"
            )
        metrics[label] = _checked(name, import_callable(_KEY, name))
    return metrics


def _checked(name: str, metric: UserMetric) -> UserMetric:
    """The metric with a check of what it returns."""

    def values(ranks: Floats, num_candidates: NDArray[np.integer]) -> Floats:
        what = f"{_KEY} {name!r} failed on the ranks of {len(ranks)} users"
        with user_code_failures(what, EvaluationError):
            returned = np.asarray(metric(ranks, num_candidates))
        if returned.shape != ranks.shape or returned.dtype.kind not in "biuf":
            raise EvaluationError(
                f"{_KEY} {name!r} must return a number for each of {len(ranks)} users, "
                f"got {returned.dtype} of shape {returned.shape}"
            )
        found = returned.astype(np.float64)
        if not np.isfinite(found).all():
            user = int(np.argmax(~np.isfinite(found)))
            raise EvaluationError(
                f"{_KEY} {name!r} must return finite numbers, got {found[user]} for rank "
                f"{ranks[user]:g} of {num_candidates[user]} candidates"
            )
        return found

    return values
