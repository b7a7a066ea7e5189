"""Markov: counted transitions over three lags, from the five newest items."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.baselines.markov import markov_scorer, transition_shares
from fedrec.data.sequences import Sequences


def sequences(rows: list[list[int]]) -> Sequences:
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Sequences(np.array([item for row in rows for item in row], dtype=np.int32), offsets)


def test_transitions_count_by_one_over_their_lag():
    found = transition_shares(sequences([[1, 2, 3], [1, 3]]), num_items=3).toarray()
    # After 1: item 2 once at lag 1 (1), item 3 once at lag 2 (1/2) and once at lag 1 (1).
    expected = np.zeros((4, 4))
    expected[1] = [0, 0, 1 / 2.5, 1.5 / 2.5]
    expected[2, 3] = 1
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_a_fourth_lag_another_user_and_padding_are_no_transition():
    rows = [[1, 2, 2, 2, 3], [0, 4]]
    found = transition_shares(sequences(rows), num_items=4).toarray()
    assert found[1, 3] == 0  # four events later
    assert found[3].sum() == 0  # what follows it is another user's
    assert found[0].sum() == found[:, 0].sum() == 0
    assert found[4].sum() == 0


def test_newer_items_of_a_history_count_more():
    shares = transition_shares(sequences([[1, 3], [2, 4]]), num_items=4)
    found = markov_scorer(shares)([np.array([1, 2]), np.array([2, 1]), np.zeros(1, int)]).scores
    np.testing.assert_array_equal(found, [[0, 0, 0, 1 / 2, 1], [0, 0, 0, 1, 1 / 2], [0] * 5])


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=9), min_size=1, max_size=8))
def test_scores_equal_those_of_a_loop_over_events(rows):
    counts = np.zeros((7, 7))
    for row in rows:
        for start, one in enumerate(row):
            for lag, other in enumerate(row[start + 1 : start + 4], start=1):
                counts[one, other] += (one > 0 and other > 0) / lag
    expected = np.zeros((len(rows), 7))
    for user, row in enumerate(rows):
        for place, item in enumerate(reversed(row[-5:]), start=1):
            expected[user] += counts[item] / (counts[item].sum() or 1) / place
    score = markov_scorer(transition_shares(sequences(rows), num_items=6))
    found = score([np.array(row) for row in rows]).scores
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
