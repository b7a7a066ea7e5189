"""Recommendations by a finished run: its weights, its catalogue, and items added since."""
