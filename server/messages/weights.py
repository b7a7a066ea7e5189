"""The cast of the server's float64 weights to what clients receive, once a round."""

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
        kind: Type of the weights that travel: "float32", or "float16" for half the bytes.

    Raises:
        FedrecError: A weight is beyond the range of ``kind`` and would arrive as infinity.
    """
    with np.errstate(over="ignore"):  # checked below
        sent = {name: array.astype(kind).astype(np.float32) for name, array in weights.items()}
    for name, array in sent.items():
        if not np.isfinite(array).all():
            raise FedrecError(
                f"weights {name!r} reach {np.abs(weights[name]).max():.3g}, but {kind} holds "
                f"numbers up to {np.finfo(kind).max:.5g}; {TOO_LARGE[kind]}"
            )
    return sent
