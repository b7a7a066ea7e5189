"""Kill workers and servers, damage checkpoints: ``python -m experiments.chaos``."""
