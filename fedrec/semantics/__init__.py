"""Semantic item embeddings: item texts, frozen text encoders, the whitened embedding table.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from fedrec.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from fedrec.semantics.encoders import Encoder, open_encoder
    from fedrec.semantics.table import EmbeddingTable, embed_new_items, embedding_table
    from fedrec.semantics.texts import describe_items
    from fedrec.semantics.whitening import Projection, pca_rows, reduced

__all__ = [
    "EmbeddingTable",
    "Encoder",
    "Projection",
    "describe_items",
    "embed_new_items",
    "embedding_table",
    "open_encoder",
    "pca_rows",
    "reduced",
]

_HOMES = {
    "EmbeddingTable": "fedrec.semantics.table",
    "Encoder": "fedrec.semantics.encoders",
    "Projection": "fedrec.semantics.whitening",
    "describe_items": "fedrec.semantics.texts",
    "embed_new_items": "fedrec.semantics.table",
    "embedding_table": "fedrec.semantics.table",
    "open_encoder": "fedrec.semantics.encoders",
    "pca_rows": "fedrec.semantics.whitening",
    "reduced": "fedrec.semantics.whitening",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
