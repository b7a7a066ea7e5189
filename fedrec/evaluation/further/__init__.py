"""Figures beyond the rank of one held-out item of a user."""
