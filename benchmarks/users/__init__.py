"""Thousands of one-person clients: a round here, elsewhere, and in one centralised pass."""
