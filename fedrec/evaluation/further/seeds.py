"""Means and paired differences over users and seeds, the seed as a random effect from three on.

A run is one draw of what its seed decides: start weights, batches, sampled clients. An interval
over users alone is about the weights of that draw. With three seeds or more, the intervals here
are about the method: users and seeds are both resampled, the users together for all seeds where
the seeds share them (Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007), and
one seed fewer than there are is drawn each time, which makes the variance over few seeds unbiased
(Rao and Wu, "Resampling inference with complex survey data", JASA 1988).

Percentiles of three seeds would cover the truth in 75 % of cases only. The interval is therefore
that of Student's t, with the degrees of freedom of Satterthwaite (1946): near the number of seeds
less one where seeds differ more than users do, near the number of users where they do not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from fedrec.errors import EvaluationError
from fedrec.evaluation.bootstrap import resampled_means
from fedrec.randomness import generator

Floats = NDArray[np.float64]

FEWEST_SEEDS = 3  # with which the seed is a random effect
RESAMPLES = 2000
POWER = 0.8  # with which the smallest difference is found


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds of means over users.

    Attributes:
        value: The mean.
        low: Lower bound of its 95 % interval.
        high: Upper bound.
        error: Standard error.
        freedom: Degrees of freedom of the error.
        p: Two-sided p-value of a mean of 0 over users and seeds; None under three seeds.
    """

    value: float
    low: float
    high: float
    error: float
    freedom: float
    p: float | None

    @property
    def smallest_found(self) -> float:
        """Smallest true difference that is found at p < 0.05 in 80 % of such comparisons."""
        wanted = stdtrit(self.freedom, 0.975) + stdtrit(self.freedom, POWER)
        return float(wanted * self.error)


def estimates(
    values: Mapping[str, Sequence[Floats]],
    seed: int,
    *,
    name: str,
    same_users: bool,
    resamples: int = RESAMPLES,
) -> dict[str, Estimate]:
    """Estimate the mean of each metric over seeds and users.

    Args:
        values: Metric -> S arrays (U,), one for each seed; the numbers of users may differ
            between seeds that do not share them. All metrics are of the same users.
        seed: Seed of the resampling.
        name: Name of what is resampled; other names are other streams.
        same_users: Whether place u is the same user in all seeds.
        resamples: How many times users and seeds are drawn.

    Returns:
        Metric -> its estimate. Under three seeds only users are resampled, and the interval is
        their percentile interval.

    Raises:
        EvaluationError: There is no seed, or no user in one of them.
    """
    if not values:
        return {}
    tables = [np.stack(each, axis=1) for each in zip(*values.values(), strict=True)]  # S of (U, M)
    if not tables:
        raise EvaluationError("no seed was evaluated, so there is no mean to report")
    drawn = _resampled_seeds(tables, seed, name, same_users, resamples)  # (S, R, M)
    observed = np.stack([table.mean(axis=0) for table in tables])  # (S, M)
    count = len(tables)
    if count < FEWEST_SEEDS:
        means = drawn.mean(axis=0)
    else:
        rng = generator(seed, "seeds", name)
        chosen = rng.integers(0, count, size=(count - 1, resamples))
        means = drawn[chosen, np.arange(resamples)].mean(axis=0)
    users = len(tables[0]) if same_users else sum(map(len, tables))
    return {
        metric: _estimate(observed[:, place], means[:, place], users)
        for place, metric in enumerate(values)
    }


def _resampled_seeds(
    tables: Sequence[Floats], seed: int, name: str, same_users: bool, resamples: int
) -> Floats:
    """(S, R, M) means over drawn users: the same users for all seeds that share them."""
    if not same_users:
        each = [
            resampled_means(table, seed, name=f"{name}, {place}", resamples=resamples)
            for place, table in enumerate(tables)
        ]
        return np.stack(each)
    wide = np.concatenate(tables, axis=1)  # (U, S * M)
    means = resampled_means(wide, seed, name=name, resamples=resamples)
    return means.reshape(resamples, len(tables), -1).swapaxes(0, 1)


def _estimate(observed: Floats, resampled: Floats, users: int) -> Estimate:
    """What (S,) means of the seeds and (R,) resampled means say."""
    value, count = float(observed.mean()), len(observed)
    variance = float(resampled.var(ddof=1))
    error = float(np.sqrt(variance))
    if count < FEWEST_SEEDS:
        low, high = np.percentile(resampled, [2.5, 97.5])
        return Estimate(value, float(low), float(high), error, float(max(1, users - 1)), None)
    of_seeds = min(float(observed.var(ddof=1)) / count, variance)
    freedom = _satterthwaite(of_seeds, variance - of_seeds, count, users)
    half = float(stdtrit(freedom, 0.975)) * error
    p = 2 * float(stdtr(freedom, -abs(value) / error)) if error else float(value == 0)
    return Estimate(value, value - half, value + half, error, freedom, p)


def _satterthwaite(of_seeds: float, of_users: float, seeds: int, users: int) -> float:
    """Degrees of freedom of a sum of two variances."""
    total = of_seeds + of_users
    if not total:
        return float(seeds - 1)
    parts = of_seeds**2 / (seeds - 1) + of_users**2 / max(1, users - 1)
    return total**2 / parts
