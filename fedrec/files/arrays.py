"""NumPy files: whatever is wrong with the bytes of one is a ValueError."""

import io
import os
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


def read_npy(
    file: str | os.PathLike[str] | io.BytesIO, *, mmap_mode: Literal["r"] | None = None
) -> NDArray[Any]:
    """The array of an .npy file; nothing is unpickled.

    Args:
        file: Path, or the bytes of the file.
        mmap_mode: "r" maps the file in place of reading it.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no whole .npy file.
    """
    try:
        array = np.load(file, mmap_mode=mmap_mode, allow_pickle=False)
    except (OSError, ValueError):
        raise
    except Exception as error:  # numpy, ast and tokenize each have their own, by Python's version
        raise ValueError(f"it is no whole .npy file: {type(error).__name__}: {error}") from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise ValueError("it is an .npz file with arrays of several names, not an .npy file")
    return array


def read_npz(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file by their names; nothing is unpickled.

    Raises:
        ValueError: It is no whole .npz file.
    """
    try:
        packed = np.load(io.BytesIO(content), allow_pickle=False)
        if not isinstance(packed, np.ndarray):
            with packed:
                return {name: packed[name] for name in packed.files}
    except Exception as error:  # zipfile and zlib have errors of their own, too
        raise ValueError(f"it is no whole .npz file: {type(error).__name__}: {error}") from None
    raise ValueError("it is an .npy file with a single array, not an .npz file")
