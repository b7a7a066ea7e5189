"""The randomisation test and Holm's correction: worked out by hand, by laws, and by scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedrec.errors import EvaluationError
from fedrec.evaluation.significance import holm, sign_flip_p

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def test_three_equal_differences_reach_their_mean_with_two_of_eight_signs():
    assert sign_flip_p(np.array([0.1, 0.1, 0.1]), 0, name="x") == 2 / 8


def test_one_difference_against_the_others_by_hand():
    # +-1 +-2 +-3: |sum| >= 4 for (1,0,..): sums 6, 4, 2, 0 and their opposites, each once but 0.
    assert sign_flip_p(np.array([-1.0, 2.0, 3.0]), 0, name="x") == 4 / 8
    assert sign_flip_p(np.array([1.0, 2.0, 3.0]), 0, name="x") == 2 / 8


def test_equal_models_have_p_of_one():
    assert sign_flip_p(np.zeros(50), 0, name="x") == 1
    assert sign_flip_p(np.array([0.5, -0.5] * 40), 0, name="x") == 1


def test_users_without_a_difference_change_nothing():
    values = np.random.default_rng(0).normal(0.1, 1, size=200)
    with_ties = np.concatenate([values, np.zeros(3000)])
    assert sign_flip_p(values, 0, name="x") == sign_flip_p(with_ties, 0, name="x")


def test_no_user_is_refused():
    with pytest.raises(EvaluationError, match="nothing to compare"):
        sign_flip_p(np.array([]), 0, name="x")


@pytest.mark.parametrize("users", [8, 12])
def test_scipy_tries_the_same_signs(users):
    values = np.random.default_rng(users).normal(0.4, 1, size=users)
    found = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p(values, 0, name="x") == pytest.approx(found.pvalue, abs=1e-12)


def test_of_many_users_it_is_close_to_the_t_test_and_never_zero():
    values = np.random.default_rng(3).normal(0.04, 1, size=1500)
    expected = stats.ttest_1samp(values, 0).pvalue
    assert sign_flip_p(values, 0, name="x") == pytest.approx(expected, abs=0.02)
    assert sign_flip_p(values + 5, 0, name="x") == 1 / 10_001


def test_the_signs_depend_on_seed_and_name_alone():
    values = np.random.default_rng(4).normal(0.05, 1, size=300)
    one = sign_flip_p(values, 0, name="x")
    assert sign_flip_p(values, 0, name="x") == one
    assert len({one, sign_flip_p(values, 1, name="x"), sign_flip_p(values, 0, name="y")}) == 3


def test_p_values_are_uniform_where_models_are_equal():
    rng = np.random.default_rng(5)
    found = [
        sign_flip_p(rng.normal(size=40) * (rng.random(40) < 0.5), n, name="null", resamples=500)
        for n in range(400)
    ]
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.03)


def test_holm_by_hand():
    # 4 * .01, 3 * .02, then 2 * .03 = .06, and .5.
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    # 3 * .04 = .12 holds up the next, 2 * .05 = .10.
    assert holm([0.05, 0.04, 0.9]) == pytest.approx([0.12, 0.12, 0.9])
    assert holm([]) == []


@given(P_VALUES)
def test_holm_is_never_smaller_keeps_the_order_and_is_no_more_than_bonferroni(values):
    adjusted = holm(values)
    for raw, found in zip(values, adjusted, strict=True):
        assert raw <= found <= min(1.0, len(values) * raw) + 1e-12
    order = np.argsort(values, kind="stable")
    assert np.all(np.diff(np.array(adjusted)[order]) >= 0)


@given(P_VALUES, st.randoms(use_true_random=False))
def test_holm_does_not_depend_on_the_order_of_the_tests(values, random):
    places = list(range(len(values)))
    random.shuffle(places)
    shuffled = holm([values[place] for place in places])
    assert shuffled == [holm(values)[place] for place in places]


@given(P_VALUES, st.floats(0.001, 0.5))
def test_holm_rejects_what_his_procedure_rejects(values, level):
    """The other way to the same answer: step down, stop at the first that is not small enough."""
    rejected = 0
    for place, value in enumerate(sorted(values)):
        if (len(values) - place) * value > level:
            break
        rejected += 1
    assert sum(found <= level for found in holm(values)) == rejected
