"""Thousands of one-person clients: what a round costs here, elsewhere, and in one central pass."""
