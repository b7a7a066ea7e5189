"""Reproducibility: verify a run, compare engines byte by byte, pair two runs."""
