"""Recommend with a finished run from the shell: lists, items by title, all users, new items."""
