"""What models are compared with and what trains nothing: item neighbours, nearest text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.baselines.item_knn import item_neighbours, neighbours_scorer
from fedrec.baselines.nearest_text import nearest_text_scorer
from fedrec.data.sequences import Sequences


def sequences(rows: list[list[int]]) -> Sequences:
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Sequences(np.array([item for row in rows for item in row], dtype=np.int32), offsets)


def test_similarity_is_the_cosine_of_who_had_what():
    found = item_neighbours(sequences([[1, 2], [2, 1, 2], [1, 3], [1]]), num_items=3).toarray()
    # Item 1 was had by 4 users, 2 by two of them (a repeat says nothing), 3 by one.
    expected = np.zeros((4, 4))
    expected[1, 2] = expected[2, 1] = 2 / np.sqrt(4 * 2)
    expected[1, 3] = expected[3, 1] = 1 / np.sqrt(4 * 1)
    np.testing.assert_allclose(found, expected, rtol=1e-15)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(1, 9), max_size=7), min_size=1, max_size=12),
    neighbours=st.integers(1, 10),
    recent=st.sampled_from([None, 1, 3]),
)
def test_scores_equal_those_of_a_loop_over_items(rows, neighbours, recent):
    num_items = 9
    had = [{user for user, row in enumerate(rows) if item in row} for item in range(num_items + 1)]

    def similarity(one: int, other: int) -> float:
        if one == other or not had[one] or not had[other]:
            return 0.0
        return len(had[one] & had[other]) / np.sqrt(len(had[one]) * len(had[other]))

    def kept(item: int) -> list[int]:
        order = sorted(range(num_items + 1), key=lambda other: (-similarity(item, other), other))
        return order[:neighbours]

    histories = [np.array(row) for row in rows if row]
    score = neighbours_scorer(item_neighbours(sequences(rows), num_items, neighbours), recent)
    if not histories:
        return
    expected = np.zeros((len(histories), num_items + 1))
    for user, history in enumerate(histories):
        for item in set(history[-recent:] if recent else history):
            for other in kept(item):
                expected[user, other] += similarity(item, other)
    np.testing.assert_allclose(score(histories).scores, expected, rtol=1e-12, atol=1e-15)


def test_nearest_text_scores_the_cosine_to_the_mean_of_the_newest():
    vectors = np.array([[0, 0], [1, 0], [0, 2], [3, 4], [0, 0]], dtype=np.float32)
    score = nearest_text_scorer(vectors, recent=2)
    # The mean of (1, 0) and (0, 2) points to (1, 2) / sqrt(5); item 3, the oldest, is not read.
    found = score([np.array([3, 1, 2]), np.array([4])]).scores
    root = np.sqrt(5)
    np.testing.assert_allclose(found[0], [0, 1 / root, 2 / root, (3 + 8) / (5 * root), 0])
    np.testing.assert_array_equal(found[1], np.zeros(5))  # no text, nothing near


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_nearest_text_does_not_depend_on_the_scale_of_the_table(scale):
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(20, 4))
    vectors[0] = 0
    histories = [rng.integers(1, 20, size=length) for length in (1, 4, 9)]
    one = nearest_text_scorer(vectors)(histories).scores
    np.testing.assert_allclose(nearest_text_scorer(scale * vectors)(histories).scores, one)
