"""The cast of the server's float64 weights to what clients receive, once a round."""

import numpy as np
import torch

from fedrec.errors import FedrecError
from fedrec.models.parameters import NamedArrays
from fedrec.training.updates.quantization import int8_steps

TOO_LARGE = {
    "float16": "set federation.download = 'float32'",
    "float32": "training diverged: look at strategy.options and local.learning-rate",
}


def cast_weights(weights: NamedArrays, kind: str = "float32") -> NamedArrays:
    """Cast weights to float32, rounded to ``kind`` before.

    Args:
        weights: Finite float64 arrays.
        kind: Type of the weights that travel: "float32", "float16", or "int8": whole numbers from
            -127 to 127 and a float32 scale for each row (each array of one axis).

    Raises:
        FedrecError: A weight is beyond the range of ``kind`` and would arrive as infinity.
    """
    held = kind if kind in TOO_LARGE else "float32"  # the type that bounds what can be sent
    with np.errstate(over="ignore"):  # checked below
        sent = {name: array.astype(held).astype(np.float32) for name, array in weights.items()}
    for name, array in sent.items():
        if not np.isfinite(array).all():
            raise FedrecError(
                f"weights {name!r} reach {np.abs(weights[name]).max():.3g}, but {held} holds "
                f"numbers up to {np.finfo(held).max:.5g}; {TOO_LARGE[held]}"
            )
    if kind == "int8":
        return {name: _nearest_levels(array) for name, array in sent.items()}
    return sent


def _nearest_levels(array: np.ndarray) -> np.ndarray:
    """Float32 ``array`` at the nearest of its 255 levels: a scale a row, or one for one axis."""
    if not array.size:
        return array
    axes = tuple(range(1, array.ndim)) if array.ndim > 1 else None
    largest = np.asarray(np.abs(array).max(axis=axes, keepdims=True))
    scale = int8_steps(torch.from_numpy(largest)).numpy()
    levels = np.rint(np.divide(array, scale, out=np.zeros_like(array), where=scale > 0))
    return np.asarray(levels * scale, dtype=np.float32)
