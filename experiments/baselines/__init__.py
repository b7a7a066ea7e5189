"""Baselines of a federation: centralised training and local-only training."""
