"""The one cast of a round: float64 weights of the server as clients receive them."""

import numpy as np

from fedrec.errors import FedrecError
from fedrec.models.parameters import NamedArrays

TOO_LARGE = {
    "float16": "set federation.download = 'float32'",
    "float32": "training diverged: look at strategy.options and local.learning-rate",
}


def cast_weights(weights: NamedArrays, kind: str = "float32") -> NamedArrays:
    """Cast weights to float32, rounded to ``kind`` before.

    Args:
        weights: Finite float64 arrays.
        kind: "float16" for weights that travel in half the bytes.

    Raises:
        FedrecError: Weights beyond what ``kind`` holds, which would arrive as infinity.
    """
    with np.errstate(over="ignore"):  # looked for below
        sent = {name: array.astype(kind).astype(np.float32) for name, array in weights.items()}
    for name, array in sent.items():
        if not np.isfinite(array).all():
            raise FedrecError(
                f"weights {name!r} reach {np.abs(weights[name]).max():.3g}, but {kind} holds "
                f"numbers up to {np.finfo(kind).max:.5g}; {TOO_LARGE[kind]}"
            )
    return sent
