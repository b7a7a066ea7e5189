"""Semantic item embeddings: item texts, frozen text encoders, the whitened embedding table."""
