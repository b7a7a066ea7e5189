"""Bounds on the update and the loss of one user, beyond which it is excluded.

The bounds hang on the sent weights and the config alone, never on what other users do: who is left
out must not depend on who trains beside it, nor on which partition holds it. (One step of plain SGD
without clipping or rounding is trained as one gradient: there, users beyond the bound who pull
against each other are not told from honest ones.)
"""

import math
from collections.abc import Iterable

import numpy as np

LARGEST_LOSS = 1e6  # ours are minus the logarithm of a probability, times 257 for gBCE
LARGEST_NORM = 1e30  # of an update from whatever weights: sums of a cohort stay finite in float32


def norm_of(arrays: Iterable[np.ndarray]) -> float:
    """Euclidean length of all arrays together, in float64."""
    return math.sqrt(sum(float(np.square(array, dtype=np.float64).sum()) for array in arrays))


def largest_norm(weights: Iterable[np.ndarray], limit: float) -> float:
    """The longest update that a user may make from these weights.

    An update ``limit`` times as long as all the weights together leaves nothing of them: no
    training that learns does that in one round. Weights shorter than 1 count as 1, since from near
    zero the first steps are many times as long.

    Args:
        weights: Trained weights, as they were sent.
        limit: ``federation.outlier-limit``.
    """
    size = norm_of(weights)
    return min(limit * max(size, 1.0), LARGEST_NORM) if math.isfinite(size) else LARGEST_NORM
