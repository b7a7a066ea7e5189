"""Named arrays in Flower's message records: how both sides put them in and take them out.

The one file of ``fedrec`` that imports ``flwr``: records are the format of messages, no engine.
An array travels as the bytes of a .npy file. Its header says the same each round, and numpy takes
ten times as long to write or parse it as to copy a small array: both sides know it by heart.
"""

from collections.abc import Mapping

import numpy as np
from flwr.app import Array, ArrayRecord

STYPE = "numpy.ndarray"  # Flower's word for the bytes of a .npy file
MOST_HEADERS = 4096  # that are kept: foreign bytes may bring as many as they like
START = 10  # bytes of version 1.0 before the header: magic, version, its length

_written: dict[tuple[np.dtype, tuple[int, ...]], bytes] = {}
_read: dict[bytes, tuple[np.dtype, tuple[int, ...], int]] = {}


def array_record(arrays: Mapping[str, np.ndarray]) -> ArrayRecord:
    """Named arrays as Flower carries them."""
    return ArrayRecord({name: _array(np.asarray(a, order="C")) for name, a in arrays.items()})


def _array(array: np.ndarray) -> Array:
    """``Array(array)``, whose header is written once for each dtype and shape."""
    key = array.dtype, array.shape
    if (header := _written.get(key)) is not None:
        return Array(str(array.dtype), array.shape, STYPE, header + array.tobytes())
    made = Array(array)
    if len(_written) < MOST_HEADERS:
        _written[key] = made.data[: len(made.data) - array.nbytes]
    return made


def array_in(array: Array) -> np.ndarray | None:
    """The array in a message, or none where its bytes are not one; nothing is unpickled."""
    data = array.data
    size = START + int.from_bytes(data[8:START], "little")
    if array.stype == STYPE and (known := _read.get(data[:size])) is not None:
        dtype, shape, num_bytes = known
        if len(data) == size + num_bytes:
            return np.frombuffer(data, dtype, offset=size).reshape(shape).copy()
    try:
        found = array.numpy()
    except Exception:  # foreign bytes make numpy fail in many ways, a MemoryError among them
        return None
    if not isinstance(found, np.ndarray):
        return None
    is_plain = data[6:8] == b"\x01\x00" and found.nbytes > 0 and found.flags.c_contiguous
    if is_plain and len(_read) < MOST_HEADERS:
        _read[data[:size]] = found.dtype, found.shape, found.nbytes
    return found
