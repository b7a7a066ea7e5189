"""Columns of a user's own table, checked value by value; errors name the row."""

from collections.abc import Callable

Place = Callable[[int], str]  # where a row stands, the beginning of a message
