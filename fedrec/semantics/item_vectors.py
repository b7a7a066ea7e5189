"""A user's own item vectors (images, audio, texts) from a file, joined by original item id.

``NAME.parquet`` has a column ``item`` and either one column of lists or a column per component.
``NAME.npz`` holds the arrays ``items`` and ``vectors``. ``NAME.npy`` is a structured array with the
fields ``item`` (text) and ``vector`` (a row of numbers). Nothing is ever unpickled.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedrec.errors import DataError, ResourceError
from fedrec.files.arrays import read_npy, read_npz
from fedrec.files.atomic import read_regular, sha256

KEY = "semantics.vectors"


@dataclass(frozen=True)
class ItemVectors:
    """Vectors of items.

    Attributes:
        items: (n,) Original ids, each once.
        vectors: (n, S0) float32, finite.
        sha256: Hash of the file.
    """

    items: list[str]
    vectors: NDArray[np.float32]
    sha256: str


def read_vectors(path: Path) -> ItemVectors:
    """Read a file of item vectors.

    Raises:
        DataError: No such file, another format, an id twice, or numbers that are not finite.
        ResourceError: Parquet without pyarrow.
    """
    try:
        content = read_regular(path)
        items, vectors = _READERS[path.suffix.lower()](content)
        items = [str(item) for item in items]
        vectors = np.asarray(vectors)
        if vectors.ndim != 2 or not vectors.shape[1] or vectors.dtype.kind not in "fiu":
            raise ValueError(
                f"its vectors must be numbers of shape (items, width), got {vectors.dtype} of "
                f"shape {vectors.shape}"
            )
        if len(items) != len(vectors):
            raise ValueError(f"it has {len(items):,} ids and {len(vectors):,} vectors")
        if len(set(items)) < len(items):
            twice = next(item for item in items if items.count(item) > 1)
            raise ValueError(f"item {twice!r} is in it twice")
        vectors = vectors.astype(np.float32)
        if not np.isfinite(vectors).all():
            row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
            raise ValueError(f"the vector of item {items[row]!r} is not finite")
        return ItemVectors(items, np.ascontiguousarray(vectors), sha256(content))
    except OSError as error:
        told = error.strerror or error
        raise DataError(f"{KEY}: {error.filename or path} cannot be read: {told}") from None
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise DataError(f"{KEY}: {path}: {' '.join(str(error).split())}") from None


_Read = tuple[Any, Any]


def _parquet(content: bytes) -> _Read:
    import pandas as pd  # slow to import; no other format needs it

    try:
        frame = pd.read_parquet(io.BytesIO(content), engine="pyarrow")
    except ImportError:
        raise ResourceError(
            f"{KEY}: a parquet file needs pyarrow: pip install pyarrow, or save items and vectors "
            "by numpy.savez"
        ) from None
    except (OSError, ValueError) as error:  # what pyarrow raises depends on what is damaged
        raise ValueError(f"it is no parquet file: {str(error)[:120]}") from None
    if "item" not in frame.columns:
        raise ValueError(f"it has no column 'item'; its columns are {list(frame.columns)}")
    rest = frame.drop(columns="item")
    if rest.shape[1] == 1 and pd.api.types.is_object_dtype(rest.iloc[:, 0]):
        rows = rest.iloc[:, 0].to_list()
        if len({np.size(row) for row in rows}) != 1:
            raise ValueError("its lists have different lengths")
        return frame["item"], np.stack(rows)
    return frame["item"], rest.to_numpy()


def _npz(content: bytes) -> _Read:
    arrays = read_npz(content)
    lacking = [name for name in ("items", "vectors") if name not in arrays]
    if lacking:
        raise ValueError(f"it has no array {lacking[0]!r}; it has {list(arrays)}")
    return arrays["items"], arrays["vectors"]


def _npy(content: bytes) -> _Read:
    array = read_npy(io.BytesIO(content))
    if array.dtype.names is None or not {"item", "vector"} <= set(array.dtype.names):
        raise ValueError(
            f"it must be a structured array with the fields item and vector, got {array.dtype} of "
            f"shape {array.shape}; or save items and vectors by numpy.savez"
        )
    return array["item"], array["vector"]


_READERS = {".parquet": _parquet, ".npz": _npz, ".npy": _npy}
