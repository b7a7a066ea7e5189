"""Baselines that need no gradients: popularity, item-kNN, nearest text, the oracle."""
