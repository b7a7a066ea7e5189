"""Exact search by blocks, against a plain sort of all scores."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.inference.top_k import Excluded, top_k


def searched(scores, k, block, excluded=None):
    """Items and scores of a table of scores (B, V); item v has column v - 1."""
    table = torch.tensor(scores, dtype=torch.float32)
    left_out = None if excluded is None else Excluded(excluded, table.device)
    best, items = top_k(
        lambda first, end: table[:, first - 1 : end - 1].clone(),
        range(1, table.shape[1] + 1),
        k,
        block=block,
        excluded=left_out,
    )
    return items.tolist(), best.tolist()


def test_the_two_best_of_five_by_hand():
    items, scores = searched([[1, 5, 3, 5, 2], [9, 0, 0, 8, 7]], k=2, block=2)
    assert items == [[2, 4], [1, 4]]
    assert scores == [[5, 5], [9, 8]]


def test_excluded_items_are_passed_over_and_missing_ones_are_zeros():
    excluded = [np.array([4, 2, 4]), np.array([], dtype=np.int64)]
    items, scores = searched([[1, 5, 3, 5], [9, 0, 0, 8]], k=3, block=3, excluded=excluded)
    assert items == [[3, 1, 0], [1, 4, 2]]
    assert scores[0] == [3, 1, -np.inf]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 45), st.integers(1, 12), st.integers(2, 30))
def test_any_block_gives_what_a_stable_sort_of_all_scores_gives(seed, block, k, values):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, values, (3, 40)).astype(np.float32)  # few values: ties everywhere
    excluded = [rng.integers(1, 41, n) for n in (0, 3, 50)]
    for row, items in enumerate(excluded):
        scores[row, items - 1] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, order, axis=1)
    expected = np.where(np.isinf(best), 0, order + 1)
    items, found = searched(scores, k, block, excluded)
    np.testing.assert_array_equal(items, expected)
    np.testing.assert_array_equal(found, best)


def test_a_catalogue_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no items"):
        top_k(lambda first, end: torch.zeros(1, 0), range(1, 1), 3, block=4)
