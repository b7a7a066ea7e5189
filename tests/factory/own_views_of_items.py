"""Views of items as a user would write them, good and bad."""

import itertools

import numpy as np


def initials(catalog):
    """Whether a title begins with A to M, and how long it is."""
    table = np.zeros((catalog.num_items + 1, 2), dtype=np.float32)
    for item, title in enumerate(catalog.titles, start=1):
        table[item] = [title[:1].upper() <= "M", len(title) / 20]
    return table


def doubles(catalog):
    return initials(catalog).astype(np.float64)


def short(catalog):
    return initials(catalog)[:-1]


def padded_with_ones(catalog):
    return initials(catalog) + np.float32(1)


def failing(catalog):
    return catalog.prices


CALLS = itertools.count()


def another_each_time(catalog):
    return initials(catalog) * np.float32(next(CALLS) + 1)
