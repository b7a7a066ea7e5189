"""Paired significance tests of two models over the same users, with Holm's correction.

The paired test is the randomisation test, which Smucker, Allan and Carterette, "A comparison of
statistical significance tests for information retrieval evaluation" (CIKM 2007) recommend: it
supposes no distribution, and most differences of NDCG@10 are exactly 0. Many tests in one table are
corrected by Holm, "A simple sequentially rejective multiple test procedure" (1979).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedrec.errors import EvaluationError
from fedrec.randomness import generator

Floats = NDArray[np.float64]

RESAMPLES = 10_000  # of the signs: the smallest p-value is 1 / 10,001
# Means of the same differences, added up in another order, are equal up to rounding.
_SLACK = 1e-12
_CELLS = 1 << 21  # signs held at once: 2^21 float64 are 16 MiB


def sign_flip_p(differences: Floats, seed: int, *, name: str, resamples: int = RESAMPLES) -> float:
    """Two-sided p-value of the mean of paired differences by random sign flips.

    If two models were the same, each user's difference would be as likely to have the other sign
    (Fisher, "The Design of Experiments", 1935). Of few differences all signs are tried, and the
    p-value is exact; of many, signs are drawn, and the signs as they are count as one draw, so
    that p is never 0 (Phipson and Smyth, 2010).

    Args:
        differences: (U,) One number for each user; those of 0 have no sign and change nothing.
        seed: Seed of the signs.
        name: Name of the comparison; other names are other streams.
        resamples: How many signs are drawn; all 2^U are tried if they are no more than that.

    Raises:
        EvaluationError: There is no user.
    """
    if not len(differences):
        raise EvaluationError("no user was ranked by both models, so there is nothing to compare")
    sizes = np.abs(differences[differences != 0])
    least = abs(float(np.sum(differences))) * (1 - _SLACK)
    if 2 ** min(len(sizes), 62) <= resamples:
        return float(np.mean(np.abs(_all_signs(len(sizes)) @ sizes) >= least))
    rng = generator(seed, "sign flip", name)
    size, reached = max(1, _CELLS // len(sizes)), 0
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        up = rng.integers(0, 2, size=(rows, len(sizes)), dtype=np.int8)
        reached += int(np.sum(np.abs((2.0 * up - 1.0) @ sizes) >= least))
    return (1 + reached) / (1 + resamples)


def _all_signs(count: int) -> Floats:
    """(2^count, count) every way to give signs: the bits of 0, 1, 2, ..."""
    numbers = np.arange(2**count)[:, None]
    return np.where(numbers >> np.arange(count) & 1, 1.0, -1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values: those below a level are found at that level in the whole family.

    The i-th smallest of m is multiplied by m - i + 1 (i from 1) and is at least as large as the
    adjusted one before it, so that the order of the p-values stays; at most 1.

    Args:
        p_values: P-values of all tests that are reported together.
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return adjusted
