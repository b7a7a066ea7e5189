"""Named arrays in Flower's message records: how both sides put them in and take them out.

The one file of ``fedrec`` that imports ``flwr``: records are the format of messages, no engine.
"""

from collections.abc import Mapping

import numpy as np
from flwr.app import Array, ArrayRecord


def array_record(arrays: Mapping[str, np.ndarray]) -> ArrayRecord:
    """Named arrays as Flower carries them."""
    return ArrayRecord({name: Array(np.asarray(a, order="C")) for name, a in arrays.items()})


def array_in(array: Array) -> np.ndarray | None:
    """The array in a message, or none where its bytes are not one; nothing is unpickled."""
    try:
        found = array.numpy()
    except Exception:  # foreign bytes make numpy fail in many ways, a MemoryError among them
        return None
    return found if isinstance(found, np.ndarray) else None
