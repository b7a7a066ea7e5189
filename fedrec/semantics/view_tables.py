"""Frozen tables of further views: signals of a language model, and a user's own vectors.

Each is whitened as the semantic embeddings are, over the items that it knows; every other item has
a row of zeros, as the padding has.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fedrec.data.catalog import Catalog
from fedrec.errors import DataError
from fedrec.semantics.cache import Manifest, Vectors, cached_array
from fedrec.semantics.encoders import Encoder
from fedrec.semantics.item_vectors import KEY, ItemVectors
from fedrec.semantics.raw_vectors import check_width, identity, json_sha256, raw_vectors
from fedrec.semantics.texts import MAX_CHARACTERS, clean
from fedrec.semantics.whitening import reduced

log = logging.getLogger(__name__)


def text_view(
    texts: Sequence[Sequence[str]], encoder: Encoder, *, width: int, whiten: bool, home: Path
) -> Vectors:
    """Table of one text an item, or of the mean over several kinds of texts.

    The mean is taken of the encoder's own vectors, before whitening turns the axes of each kind
    another way; kinds that an item lacks are left out of its mean.

    Args:
        texts: K kinds of V texts each, "" where an item has none.
        encoder: Text encoder.
        width: S.
        whiten: See ``embedding_table``.
        home: Folder of all data; the table is kept under ``home/semantics``.

    Returns:
        (V + 1, S) float32, read-only; rows of zeros for the padding and items without a text.

    Raises:
        ConfigError: The encoder is not so wide.
        ResourceError: Weights, network or disk are missing.
    """
    check_width(encoder, width)
    cleaned = [[clean(text)[:MAX_CHARACTERS] for text in kind] for kind in texts]
    facts = {"kind": "view", **identity(encoder), "width": width, "whiten": whiten}
    folder = home / "semantics"

    def build() -> tuple[Vectors, Manifest]:
        known = np.array([[bool(text) for text in kind] for kind in cleaned])
        total: np.ndarray | float = 0.0
        for kind, has in zip(cleaned, known, strict=True):
            raw = raw_vectors(encoder, [text for text in kind if text], folder)
            whole = np.zeros((len(kind), raw.shape[1]))
            whole[has] = raw
            total = total + whole
        rows = np.asarray(total) / known.sum(axis=0).clip(min=1)[:, None]
        return _scattered(rows, known.sum(axis=0) > 0, width, whiten), facts

    key = json_sha256(facts | {"texts": cleaned})
    return cached_array(folder / key, build)[0]


def vector_view(
    found: ItemVectors, catalog: Catalog, *, path: str, width: int, whiten: bool, home: Path
) -> Vectors:
    """Table of a user's own vectors.

    Args:
        found: The vectors of a file.
        catalog: Catalogue of the V items.
        path: The file, for messages.
        width: S at most; the width of the vectors where they are narrower.
        whiten: See ``embedding_table``.
        home: Folder of all data; the table is kept under ``home/semantics``.

    Returns:
        (V + 1, S) float32, read-only; rows of zeros for the padding and items that are not in it.

    Raises:
        DataError: No item of the catalogue is in the file.
        ResourceError: The disk is full.
    """
    place = {item: row for row, item in enumerate(found.items)}
    rows = np.array([place.get(item, -1) for item in catalog.item_ids])
    if (rows < 0).all():
        raise DataError(
            f"{KEY}: {path} has vectors of {len(found.items):,} items, such as "
            f"{found.items[0] if found.items else ''!r}, of which none is in the catalogue, whose "
            f"ids are such as {catalog.item_ids[0]!r}"
        )
    width = min(width, found.vectors.shape[1])
    facts = {"kind": "vectors", "file": found.sha256, "width": width, "whiten": whiten}

    def build() -> tuple[Vectors, Manifest]:
        if lacking := int((rows < 0).sum()):
            log.warning("%s has no vector of %d of %d items: zeros", path, lacking, len(rows))
        return _scattered(found.vectors[rows], rows >= 0, width, whiten), facts

    key = json_sha256(facts | {"items": catalog.item_ids})
    return cached_array(home / "semantics" / key, build)[0]


def _scattered(rows: np.ndarray, known: np.ndarray, width: int, whiten: bool) -> Vectors:
    """(V + 1, S) Reduced rows of the known items, zeros elsewhere."""
    table = np.zeros((len(rows) + 1, width), dtype=np.float32)
    if known.any():
        table[1:][known] = reduced(rows[known], width, whiten=whiten).vectors
    return table
