"""Transformers of other papers: over texts, and with pointwise attention."""
