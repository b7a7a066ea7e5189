"""Readers of data layouts: each detects its own files and loads them as interactions."""
