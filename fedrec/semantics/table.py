"""The frozen embedding table: one whitened semantic embedding per item, made once and shared.

texts -> encoder -> raw vectors (cached) -> centred, whitened, cut to S -> table (cached)

The table is read-only and memory-mapped, so that ten processes share one copy and none can train
it. Give torch a copy of the rows it needs (``torch.tensor(np.array(table.vectors))``):
``torch.from_numpy`` on read-only memory warns, and a write through it would crash the process.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fedrec.data.catalog import Catalog
from fedrec.errors import DataError
from fedrec.randomness import derangement, generator
from fedrec.semantics.cache import Manifest, cached_array
from fedrec.semantics.encoders import Encoder
from fedrec.semantics.long_texts import count_beyond
from fedrec.semantics.raw_vectors import (
    check_width,
    identity,
    json_sha256,
    open_text_encoder,
    raw_vectors,
)
from fedrec.semantics.texts import describe_items
from fedrec.semantics.whitening import reduced

log = logging.getLogger(__name__)

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class EmbeddingTable:
    """Frozen semantic embeddings of all items, the same on every client and the server.

    Attributes:
        vectors: (V + 1, S) float32, read-only, row 0 (padding) zero.
        encoder: Name of the encoder as configured.
        encoder_sha256: Hash of its weights.
        key: Hash of everything that the table depends on.
        sha256: Hash of the bytes of `vectors`.
        fallback_texts: Items without text, encoded as "item <original id>".
        cut_texts: Items whose text was too long and was cut.
        components: Columns that carry something; the others, if any, are zero.
        token_limit: Word pieces that the encoder reads of a text; None where it has no limit.
        long_texts: Items whose text is longer; None where it is not known.
    """

    vectors: Vectors
    encoder: str
    encoder_sha256: str
    key: str
    sha256: str
    fallback_texts: int
    cut_texts: int
    components: int
    token_limit: int | None = None
    long_texts: int | None = None

    @property
    def width(self) -> int:
        """S."""
        return int(self.vectors.shape[1])


def embedding_table(
    catalog: Catalog,
    *,
    encoder: str,
    revision: str = "",
    fields: Sequence[str] = ("title", "genres", "year"),
    width: int = 128,
    whiten: bool = True,
    home: Path,
    shuffle_seed: int | None = None,
    long_texts: str = "cut",
) -> EmbeddingTable:
    """Make or open the embedding table of a catalogue.

    Opening a table that exists imports neither torch nor sentence-transformers and does not need
    the weights of "minilm".

    Args:
        catalog: Catalogue of the V items.
        encoder: Name of the encoder, see `open_encoder`.
        revision: Revision of a hub model.
        fields: Text fields to encode, see `describe_items`.
        width: Width S of the embeddings, at most the encoder's width.
        whiten: Equal variance in every component; else rows of norm 1; see `reduced`.
        home: Folder of all data; the table is kept under ``home/semantics``.
        shuffle_seed: Give every item the embedding of another, drawn from this seed: the control
            experiment that keeps their distribution and removes their semantics.
        long_texts: "cut" (what is beyond the encoder's limit is not read) or "chunks".

    Raises:
        ConfigError: An unknown field or encoder, a width that the encoder does not have.
        ResourceError: Weights, network or disk are missing.
    """
    described = describe_items(catalog, fields)
    opened = open_text_encoder(encoder, revision=revision, long_texts=long_texts)
    check_width(opened, width)
    key = table_key(
        opened,
        list(zip(catalog.item_ids, described.texts, strict=True)),
        width=width,
        whiten=whiten,
        shuffle_seed=shuffle_seed,
    )
    folder = home / "semantics"

    def build() -> tuple[Vectors, Manifest]:
        raw = raw_vectors(opened, described.texts, folder)
        table = reduced(raw, width, whiten=whiten)
        rows = table.vectors
        if shuffle_seed is not None:
            # Every item the embedding of another one.
            rows = rows[derangement(generator(shuffle_seed, "semantics", "shuffle"), len(rows))]
        facts = {
            **identity(opened),
            "whiten": whiten,
            "shuffle_seed": shuffle_seed,
            "components": table.components,
            "kept_variance": table.kept_variance,
        }
        return np.concatenate([np.zeros((1, width), dtype=np.float32), rows]), facts

    vectors, manifest = cached_array(folder / key, build)
    beyond = count_beyond(opened.tokenize, identity(opened), described.texts, folder)
    _report(described.fallbacks, described.cut, manifest["components"], width)
    if beyond is not None and beyond.items:
        log.warning("%s", beyond.told(long_texts))
    return EmbeddingTable(
        vectors=vectors,
        encoder=opened.name,
        encoder_sha256=opened.sha256,
        key=key,
        sha256=manifest["sha256"],
        fallback_texts=described.fallbacks,
        cut_texts=described.cut,
        components=manifest["components"],
        token_limit=None if beyond is None else beyond.limit,
        long_texts=None if beyond is None else beyond.items,
    )


def embed_new_items(
    items: Catalog,
    catalog: Catalog,
    *,
    encoder: str,
    revision: str = "",
    fields: Sequence[str] = ("title", "genres", "year"),
    width: int = 128,
    whiten: bool = True,
    long_texts: str = "cut",
    home: Path,
) -> Vectors:
    """Embed items that are no part of a catalogue as its table would.

    Same encoder, same fields, and the mean, axes and scales of the catalogue's own items: an item
    that is in the catalogue gets its own row back, to the rounding of float32.

    Args:
        items: N items, with the further columns of the catalogue.
        catalog: What the table was made of; its texts are encoded again if their vectors are gone.
        encoder: Encoder as the table was made, and all that follow.
        revision: See `embedding_table`.
        fields: See `embedding_table`.
        width: S.
        whiten: See `embedding_table`.
        long_texts: See `embedding_table`.
        home: Folder where the catalogue's vectors are kept.

    Returns:
        (n, S) float32.

    Raises:
        ConfigError: The catalogue or the encoder has changed.
        DataError: An item without text in these fields, which would mean what its id looks like.
        ResourceError: Weights, network or disk are missing.
    """
    described = describe_items(items, fields)
    if described.fallbacks:
        raise DataError(
            f"{described.fallbacks} of {len(items.item_ids)} items have no text in the fields that "
            f"this model reads, semantics.fields = {','.join(fields)!r}; say one of them"
        )
    opened = open_text_encoder(encoder, revision=revision, long_texts=long_texts)
    raw = raw_vectors(opened, describe_items(catalog, fields).texts, home / "semantics")
    projection = reduced(raw, width, whiten=whiten).projection
    return projection.rows(opened.encode(described.texts))


def table_key(
    encoder: Encoder,
    items: Sequence[tuple[str, str]],
    *,
    width: int,
    whiten: bool,
    shuffle_seed: int | None,
) -> str:
    """Hash of everything that the numbers of the table depend on.

    Args:
        encoder: Text encoder; its name, revision, pooling and hash of weights count.
        items: (original id, text) Items of items 1..V in that order.
        width: S.
        whiten: See `embedding_table`.
        shuffle_seed: See `embedding_table`.

    Returns:
        64 hexadecimal digits.
    """
    return json_sha256(
        {
            "kind": "table",
            **identity(encoder),
            "width": width,
            "whiten": whiten,
            "shuffle_seed": shuffle_seed,
            "items": [list(item) for item in items],
        }
    )


def _report(fallbacks: int, cut: int, components: int, width: int) -> None:
    if fallbacks:
        log.warning("%d items have no text and are encoded as 'item <id>'", fallbacks)
    if cut:
        log.warning("%d item texts were too long and were cut", cut)
    if components < width:
        log.warning("the items fill %d of %d semantic components", components, width)
