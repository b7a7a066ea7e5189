"""Checkpoints: written after a round, read back when a run is resumed."""
