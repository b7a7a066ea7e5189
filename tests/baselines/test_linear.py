"""EASE and SLIM: linear weights of items by items."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet

from fedrec.baselines.ease import ease_weights, linear_scorer
from fedrec.baselines.item_knn import neighbours_scorer
from fedrec.baselines.slim import slim_weights
from fedrec.data.sequences import Sequences

ROWS = st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=6), min_size=2, max_size=10)


def sequences(rows: list[list[int]]) -> Sequences:
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Sequences(np.array([item for row in rows for item in row], dtype=np.int32), offsets)


def binary(rows: list[list[int]], num_items: int) -> np.ndarray:
    had = np.zeros((len(rows), num_items))
    for user, row in enumerate(rows):
        had[user, np.array(row) - 1] = 1
    return had


def test_ease_of_two_items_by_hand():
    # X^T X = [[3, 1], [1, 2]], lambda 1: P = [[3, -1], [-1, 4]] / 11, B_12 = 1/4, B_21 = 1/3.
    weights = ease_weights(sequences([[1, 2, 1], [1], [1], [2]]), 2, penalty=1.0)
    np.testing.assert_allclose(weights, [[0, 0, 0], [0, 0, 1 / 4], [0, 1 / 3, 0]], atol=1e-15)
    found = linear_scorer(weights)([np.array([1]), np.array([2, 2, 1])]).scores
    np.testing.assert_allclose(found, [[0, 0, 1 / 4], [0, 1 / 3, 1 / 4]], atol=1e-15)


@settings(max_examples=25, deadline=None)
@given(rows=ROWS, penalty=st.sampled_from([0.5, 3.0]))
def test_each_column_of_ease_is_the_ridge_regression_on_the_other_items(rows, penalty):
    """Without the constraint in the objective, each item is an ordinary ridge regression."""
    had, num_items = binary(rows, 6), 6
    weights = ease_weights(sequences(rows), num_items, penalty=penalty)[1:, 1:]
    for item in range(num_items):
        others = [other for other in range(num_items) if other != item]
        x = had[:, others]
        ridge = np.linalg.solve(x.T @ x + penalty * np.eye(5), x.T @ had[:, item])
        np.testing.assert_allclose(weights[others, item], ridge, atol=1e-9)
        assert weights[item, item] == 0


@settings(max_examples=25, deadline=None)
@given(rows=ROWS, l2=st.sampled_from([0.5, 2.0]), l1=st.sampled_from([0.05, 0.5]))
def test_slim_is_the_non_negative_elastic_net_of_each_item(rows, l2, l1):
    had, users = binary(rows, 6), len(rows)
    found = slim_weights(sequences(rows), 6, candidates=5, l2=l2, l1=l1).toarray()[1:, 1:]
    for item in range(6):
        # scikit-learn divides the squares by the number of users.
        net = ElasticNet(
            alpha=(l1 + l2) / users,
            l1_ratio=l1 / (l1 + l2),
            positive=True,
            fit_intercept=False,
            tol=1e-10,
            max_iter=10_000,
        )
        others = had.copy()
        others[:, item] = 0
        if not had[:, item].any() or not others.any():
            assert not found[:, item].any()
            continue
        np.testing.assert_allclose(found[:, item], net.fit(others, had[:, item]).coef_, atol=1e-4)


def test_slim_weighs_only_the_nearest_items():
    rows = [[1, 2, 3], [1, 2], [1, 2], [1, 3], [2], [3]]
    weights = slim_weights(sequences(rows), 3, candidates=1, l2=1.0, l1=0.1).toarray()
    assert ((weights > 0).sum(axis=0) <= 1).all()
    assert weights[2, 1] > 0  # 2 is nearest to 1
    assert weights[3, 1] == 0
    score = neighbours_scorer(slim_weights(sequences(rows), 3, candidates=2))
    assert score([np.array([2])]).scores.shape == (1, 4)


@pytest.mark.parametrize("items", [[], [7]])
def test_users_with_nothing_in_common_have_no_weights(items):
    rows = [[1], [2], items]
    assert not ease_weights(sequences(rows), 7, penalty=1.0).any()
    assert slim_weights(sequences(rows), 7).nnz == 0
