"""Ranks of held-out items, and every metric that follows from them."""
