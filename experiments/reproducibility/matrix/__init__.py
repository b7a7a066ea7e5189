"""One hash for every kind of setting: ``python -m experiments.reproducibility.matrix``."""
