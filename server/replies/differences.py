"""The update of a reply, made when it is read: it takes twice the memory of the reply itself."""

from collections.abc import Iterator, Mapping

import numpy as np
from flwr.app import Array

from fedrec.models.parameters import NamedArrays
from fedrec.records import array_in


class Differences(Mapping[str, np.ndarray]):
    """The update of a reply by name: its weights minus those that were sent, float64.

    Args:
        arrays: Weights of the client as they came, validated.
        sent: Weights that it was sent, by the same names.
    """

    def __init__(self, arrays: Mapping[str, Array], sent: NamedArrays) -> None:
        self._arrays, self._sent = dict(arrays), sent

    def __getitem__(self, name: str) -> np.ndarray:
        """The update of one array, exact where the weights are float32."""
        weights = array_in(self._arrays[name])
        if weights is None:  # which no validated array is
            raise KeyError(name)
        difference: np.ndarray = weights.astype(np.float64) - self._sent[name]
        return difference

    def __iter__(self) -> Iterator[str]:
        """Names in the order of what was sent."""
        return iter(self._sent)

    def __len__(self) -> int:
        """Number of arrays."""
        return len(self._sent)
