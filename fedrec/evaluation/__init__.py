"""Leave-one-out evaluation: ranks of held-out items, metrics, intervals and tests."""
