"""Partitions of the users: rules, item clusters in the place of genres, divergence of tastes."""
