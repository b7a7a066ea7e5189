"""Reranking by meaning: by hand, and laws of the mix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.dualrec import rerank
from fedrec.errors import EvaluationError

# Items 1..4 in the plane; item 4 has no text.
TABLE = np.array([[0, 0], [1, 0], [0, 2], [3, 3], [0, 0]], dtype=np.float32)
LISTS = np.array([[1, 2, 3], [2, 4, 1]])


def test_cosines_by_hand():
    cosine = rerank.cosine_to_predicted(LISTS, np.array([1, 3]), TABLE)
    half = 2**-0.5  # cos 45 degrees
    np.testing.assert_allclose(cosine, [[1, 0, half], [half, 0, half]], atol=1e-12)


def test_as_published_the_nearest_to_the_prediction_comes_first():
    found = rerank.reranked_as_published(LISTS, np.array([2, 1]), TABLE)
    np.testing.assert_array_equal(found, [[2, 3, 1], [1, 2, 4]])


def test_a_mix_by_hand():
    # bases 1, 1/2, 1/3; cosines 0, 1, .5; at w = .5: .5, .75, .4166
    base = rerank.reciprocal_ranks(LISTS[:1])
    cosine = np.array([[0.0, 1.0, 0.5]])
    np.testing.assert_array_equal(base, [[1, 1 / 2, 1 / 3]])
    assert rerank.reranked(LISTS[:1], base, cosine, 0.5).tolist() == [[2, 1, 3]]
    assert rerank.reranked(LISTS[:1], base, cosine, 0.1).tolist() == [[1, 2, 3]]
    assert rerank.reranked(LISTS[:1], base, cosine, 1.0).tolist() == [[2, 3, 1]]


def test_standardised_values_leave_filled_places_out():
    lists = np.array([[5, 6, 0], [1, 2, 3]])
    found = rerank.standardised(np.array([[1.0, 3.0, 99.0], [7.0, 7.0, 7.0]]), lists)
    np.testing.assert_allclose(found, [[-1, 1, 0], [0, 0, 0]])


def test_filled_places_stay_behind():
    lists = np.array([[1, 3, 0]])
    assert rerank.reranked_as_published(lists, np.array([3]), TABLE).tolist() == [[3, 1, 0]]
    assert rerank.reranked_as_published(lists, np.array([4]), TABLE).tolist() == [[1, 3, 0]]


def test_ndcg_by_hand():
    lists = np.array([[1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3]])
    # ranks 1, 2, 3 and none; the third is behind k = 2
    found = rerank.ndcg(lists, np.array([1, 2, 3, 9]), at=2)
    assert found == pytest.approx((1 + 1 / np.log2(3)) / 4)


def test_the_weight_is_chosen_on_validation_users():
    lists = np.array([[1, 2, 3]] * 2)
    base, cosine = rerank.reciprocal_ranks(lists), np.array([[0.0, 0.2, 0.9]] * 2)
    # Item 3 is first where (1 - w) / 3 + .9 w > 1 - w, so from w > .4255 on
    chosen = rerank.choose_weight(lists, base, cosine, np.array([3, 3]), at=1)
    assert (chosen.weight, chosen.users, chosen.at) == (0.5, 2, 1)
    assert chosen.ndcg == {w / 10: float(w >= 5) for w in range(11)}


def test_where_nothing_gains_stage_1_is_left_alone():
    lists = np.array([[1, 2, 3]])
    base, cosine = rerank.reciprocal_ranks(lists), np.array([[0.0, 0.0, 1.0]])
    assert rerank.choose_weight(lists, base, cosine, np.array([1])).weight == 0
    assert rerank.choose_weight(lists, base, cosine, np.array([9])).weight == 0


def test_wrong_requests_are_refused():
    lists, values = LISTS, np.zeros((2, 3))
    with pytest.raises(EvaluationError, match=r"from 0 to 1, got 1\.5"):
        rerank.reranked(lists, values, values, 1.5)
    with pytest.raises(EvaluationError, match=r"cosine \(2, 2\)"):
        rerank.reranked(lists, values, values[:, :2], 0.5)
    with pytest.raises(EvaluationError, match="the weight 0"):
        rerank.choose_weight(lists, values, values, np.array([1, 2]), weights=[0.5])
    with pytest.raises(EvaluationError, match="got 0 users"):
        rerank.choose_weight(lists[:0], values[:0], values[:0], np.array([], dtype=int))
    with pytest.raises(EvaluationError, match=r"lists are \(2, 3\) and predicted \(3,\)"):
        rerank.reranked_as_published(lists, np.array([1, 2, 3]), TABLE)


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from(rerank.WEIGHTS))
def test_a_mix_reorders_and_no_more(seed, weight):
    stream = np.random.default_rng(seed)
    table = stream.normal(size=(21, 4))
    lists = np.array([stream.permutation(np.arange(1, 21))[:6] for _ in range(5)])
    predicted = lists[:, 0]
    cosine = rerank.cosine_to_predicted(lists, predicted, table)
    base = rerank.reciprocal_ranks(lists)
    found = rerank.reranked(lists, base, cosine, weight)
    np.testing.assert_array_equal(np.sort(found), np.sort(lists))
    # Stage 1's first item is nearest to itself: no weight moves it from the top.
    np.testing.assert_array_equal(found[:, 0], predicted)
    if weight == 0:
        np.testing.assert_array_equal(found, lists)
    if weight == 1:
        np.testing.assert_array_equal(found, rerank.reranked_as_published(lists, predicted, table))
    # The slow way.
    for row, values in enumerate((1 - weight) * base + weight * cosine):
        slow = sorted(range(6), key=lambda place, values=values: -values[place])
        assert found[row].tolist() == lists[row, slow].tolist()
