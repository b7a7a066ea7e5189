"""Weights that clients moved to, made when a strategy reads them and never held for all clients.

A reply holds its weights as it came, mostly float32; the server's weights moved by its update are
float64.
"""

from collections.abc import Callable

import numpy as np
from flwr.app import Array

from fedrec.records import STYPE, array_record


class MovedArray(Array):
    """An array of float64 that is made when it is read, the same each time.

    Args:
        shape: Its shape.
        make: Function that makes it.
    """

    def __init__(self, shape: tuple[int, ...], make: Callable[[], np.ndarray]) -> None:
        self.dtype, self.shape, self.stype = "float64", shape, STYPE
        self._make = make

    def numpy(self) -> np.ndarray:
        """The array itself."""
        return self._make()

    @property
    def data(self) -> bytes:  # type: ignore[override]  # Flower holds bytes there
        """Its bytes as Flower carries them."""
        return array_record({"": self._make()})[""].data
