"""How a conformance check fails, and the small data that checks train on."""

from collections.abc import Mapping

import numpy as np

from fedrec.data.sequences import Sequences
from fedrec.errors import FedrecError
from fedrec.models.parameters import NamedArrays

NUM_ITEMS = 40
LENGTHS = (9, 2, 7, 12, 5, 8)  # events of each user's training part
MAX_LENGTH = 10


class ConformanceError(FedrecError, AssertionError):
    """What was checked does not do what fedrec needs of it."""


def demand(holds: bool, message: str) -> None:
    """Fail a check with one line unless the condition holds."""
    if not holds:
        raise ConformanceError(message)


def small_histories() -> Sequences:
    """Training parts of six users of 2 to 12 events among 40 items."""
    rng = np.random.default_rng(7)
    rows = [rng.integers(1, NUM_ITEMS + 1, size=length) for length in LENGTHS]
    offsets = np.cumsum([0, *LENGTHS]).astype(np.int64)
    return Sequences(np.concatenate(rows).astype(np.int32), offsets)


def have_same_bytes(left: Mapping[str, np.ndarray], right: Mapping[str, np.ndarray]) -> bool:
    """Whether named arrays are equal in names, types, shapes and bytes."""
    return list(left) == list(right) and all(
        array.dtype == right[name].dtype
        and array.shape == right[name].shape
        and array.tobytes() == right[name].tobytes()
        for name, array in left.items()
    )


def check_finite(arrays: NamedArrays, what: str) -> None:
    """Fail where an array holds NaN or infinity."""
    for name, array in arrays.items():
        demand(bool(np.isfinite(array).all()), f"{what} {name!r} holds NaN or infinity")
