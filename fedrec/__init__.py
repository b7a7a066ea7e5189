"""Federated learning simulation for sequential recommendation."""

__version__ = "0.1.0"
