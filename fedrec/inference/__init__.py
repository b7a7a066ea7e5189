"""Recommend with a finished run: top-k search, explanation, items added after training."""
