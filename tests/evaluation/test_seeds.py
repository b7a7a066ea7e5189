"""The seed as a random effect: by hand, by laws, and by Student's t test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedrec.errors import EvaluationError
from fedrec.evaluation.bootstrap import intervals
from fedrec.evaluation.further.seeds import RESAMPLES, Estimate, estimates
from fedrec.evaluation.spread import gini


def one(values, *, same_users=True, **options):
    return estimates({"m": values}, 0, name="x", same_users=same_users, **options)["m"]


def test_one_seed_has_the_percentile_interval_over_users():
    values = np.random.default_rng(0).random(60)
    found, known = one([values]), intervals({"m": values}, 0, name="x", resamples=RESAMPLES)["m"]
    assert (found.value, found.low, found.high) == (known["value"], known["low"], known["high"])
    assert found.p is None


def test_two_seeds_are_a_mean_over_users_and_say_nothing_of_other_seeds():
    rng = np.random.default_rng(1)
    first, second = rng.random(60), rng.random(60)
    found = one([first, second])
    known = intervals({"m": (first + second) / 2}, 0, name="x", resamples=RESAMPLES)["m"]
    assert found.low == pytest.approx(known["low"])
    assert found.high == pytest.approx(known["high"])
    assert found.p is None


def test_every_seed_weighs_the_same_however_many_users_it_has():
    found = one([np.array([1.0, 1.0, 1.0]), np.array([2.0])], same_users=False)
    assert found.value == 1.5


def test_seeds_that_alone_differ_give_the_t_test_over_seeds():
    """Means 1, 2 and 4 of users who are all alike: s^2 = 7/3, so the error is sqrt(7/9)."""
    found = one([np.full(50, mean) for mean in (1.0, 2.0, 4.0)], resamples=20_000)
    low, high = stats.t.interval(0.95, 2, 7 / 3, np.sqrt(7 / 9))
    assert found.error == pytest.approx(np.sqrt(7 / 9), rel=0.02)
    assert found.freedom == pytest.approx(2, rel=0.05)
    assert (found.low, found.high) == (pytest.approx(low, rel=0.1), pytest.approx(high, rel=0.1))
    assert found.p == pytest.approx(stats.ttest_1samp([1, 2, 4], 0).pvalue, rel=0.1)


def test_seeds_that_do_not_differ_add_nothing_to_the_error_over_users():
    values = np.random.default_rng(2).normal(0.1, 1, 400)
    found = one([values] * 3)
    assert found.error == pytest.approx(values.std(ddof=1) / 20, rel=0.05)
    assert found.freedom == pytest.approx(399)
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.02)


def test_of_equal_methods_few_are_told_apart_though_their_seeds_differ():
    """Percentiles of three seeds would tell one in four apart."""
    rng = np.random.default_rng(3)
    told = [
        one(list(rng.normal(rng.normal(0, 1, (3, 1)), 0.5, (3, 30))), resamples=200).p < 0.05
        for _ in range(300)
    ]
    assert 0.01 < np.mean(told) < 0.08


@given(st.lists(st.lists(st.floats(-1, 1), min_size=4, max_size=4), min_size=1, max_size=5))
def test_the_interval_holds_the_mean_and_no_error_is_below_zero(rows):
    found = one([np.array(row) for row in rows], resamples=50)
    assert found.error >= 0
    if len(rows) >= 3:
        assert found.low <= found.value <= found.high
        assert 0 <= found.p <= 1


def test_no_difference_at_all_has_p_of_one():
    assert one([np.zeros(5)] * 3).p == 1
    assert one([np.ones(5)] * 3).p == 0


def test_the_smallest_difference_found_is_two_quantiles_of_the_error():
    found = Estimate(value=0.0, low=-1.96, high=1.96, error=1.0, freedom=1e9, p=None)
    assert found.smallest_found == pytest.approx(1.95996 + 0.84162, abs=1e-4)


def test_nothing_to_estimate_is_refused():
    with pytest.raises(EvaluationError, match="no seed was evaluated"):
        one([])
    with pytest.raises(EvaluationError, match="no user was evaluated"):
        one([np.array([])])


def test_gini_by_hand():
    assert gini(np.array([0.0, 0.0, 0.0, 1.0])) == 0.75
    assert gini(np.array([2.0, 2.0])) == 0
    assert gini(np.zeros(3)) == 0
    # Pairs of 1 and 3 drawn with replacement differ by 1 in the mean; half of it over 2.
    assert gini(np.array([3.0, 1.0])) == 0.25


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_gini_is_half_the_mean_difference_over_the_mean(values):
    found = np.array(values)
    if found.mean() > 1e-6:
        slow = np.abs(found[:, None] - found).mean() / (2 * found.mean())
        assert gini(found) == pytest.approx(slow, abs=1e-9)
