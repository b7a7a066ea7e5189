"""Semantic item embeddings: item texts, frozen text encoders, the whitened embedding table.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from fedrec.lazy import lazy_exports

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
    "EmbeddingTable": "table",
    "Encoder": "encoders",
    "Projection": "whitening",
    "describe_items": "texts",
    "embed_new_items": "table",
    "embedding_table": "table",
    "open_encoder": "encoders",
    "pca_rows": "whitening",
    "reduced": "whitening",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
