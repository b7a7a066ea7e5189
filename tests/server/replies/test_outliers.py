"""What is out of all proportion, and what only looks uneven: laws and the boundaries."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.replies.outliers import HARMLESS, find_outliers
from server.replies.train import TrainReply

LIMIT = 100.0
SENT = {"a": np.array([0.6, 0.0], np.float32), "b": np.array([[0.8]], np.float32)}  # of norm 1


def trained(norm, loss=5.0, targets=100):
    """A reply whose update has this norm, spread over both arrays."""
    update = {"a": np.array([0.0, 0.6 * norm]), "b": np.array([[-0.8 * norm]])}
    return TrainReply(
        reply=None, update=update, loss=loss, targets=targets, private="", weight=targets
    )


def excluded(replies, sent=SENT, limit=LIMIT):
    return sorted(find_outliers(dict(enumerate(replies)), sent, limit))


def test_the_norm_of_an_update_is_taken_over_all_its_arrays():
    update = {"a": np.array([3.0, 0.0]), "b": np.array([[4.0]])}
    reply = TrainReply(reply=None, update=update, loss=1.0, targets=1, private="", weight=1)
    assert reply.norm() == 5.0


norms = st.lists(st.floats(1, 20), min_size=1, max_size=12)
scales = st.floats(1e-12, 1)


@given(norms, scales, st.lists(st.integers(1, 10**6), min_size=12, max_size=12))
def test_updates_within_a_factor_of_20_are_never_excluded(norms, scale, targets):
    replies = [trained(scale * n, targets=t) for n, t in zip(norms, targets, strict=False)]
    assert excluded(replies) == []


@given(st.lists(st.floats(1, 20), min_size=3, max_size=12), st.data())
def test_one_of_three_or_more_that_is_scaled_beyond_limit_times_20_always_is(norms, data):
    place = data.draw(st.integers(0, len(norms) - 1))
    factor = data.draw(st.floats(20 * LIMIT * (1 + 1e-9), 1e30))
    unit = 1e-3  # of the weights' norm: an update that does move them
    each = [unit * norm * (factor if k == place else 1) for k, norm in enumerate(norms)]
    assert excluded([trained(norm) for norm in each]) == [place]


@given(st.integers(1, 6), st.data())
def test_malicious_clients_of_less_than_half_are_excluded_and_nobody_else(malicious, data):
    honest = [data.draw(st.floats(0.01, 0.2)) for _ in range(malicious + 1)]
    lies = [data.draw(st.floats(20.1, 1e38)) for _ in range(malicious)]
    order = data.draw(st.permutations(range(2 * malicious + 1)))
    each = [(honest + lies)[k] for k in order]
    assert excluded([trained(n) for n in each]) == [i for i, n in enumerate(each) if n > 20]
    losses = [trained(0.1, loss=100 * n) for n in each]  # honest ones are 1 to 20
    assert excluded(losses) == [i for i, n in enumerate(each) if n > 20]


def test_the_boundary_is_limit_times_the_median():
    usual = [trained(0.01), trained(0.01)]
    at = math.nextafter(100 * usual[0].norm(), 0)
    assert excluded([*usual, trained(at)]) == []
    assert excluded([*usual, trained(1.0001 * at)]) == [2]
    assert excluded([*usual, trained(1.0001 * at)], limit=101.0) == []
    # The median, not the mean or the least: five in order of length.
    five = [trained(norm) for norm in (0.001, 0.002, 0.01, 0.5, 0.9)]
    assert excluded([*five[:4], trained(0.99)]) == []
    assert excluded([*five[:4], trained(1.01)]) == [4]


def test_a_single_client_is_held_against_the_weights():
    assert excluded([trained(99.0)]) == []
    assert excluded([trained(101.0)]) == [0]
    ten = {name: 10 * array for name, array in SENT.items()}
    assert excluded([trained(999.0)], sent=ten) == []
    assert excluded([trained(1001.0)], sent=ten) == [0]


@pytest.mark.parametrize("zeros", [0.0, 1e-9])
def test_weights_that_start_near_zero_may_move_by_limit(zeros):
    start = {name: zeros * array for name, array in SENT.items()}
    assert excluded([trained(99.0)] * 3, sent=start) == []
    assert excluded([trained(101.0)] * 3, sent=start) == [0, 1, 2]


def test_a_majority_of_malicious_clients_is_held_against_the_weights_too():
    assert excluded([trained(0.1), trained(1e6), trained(1e6)]) == [1, 2]


@pytest.mark.parametrize("malicious", [0, 1])
def test_of_two_clients_the_malicious_one_is_excluded(malicious):
    for lie in (trained(0.1 * 1e3), trained(0.1, loss=1e30)):
        pair = [trained(0.1), trained(0.1)]
        pair[malicious] = lie
        assert excluded(pair) == [malicious]


def test_updates_of_zeros_are_fine_and_measure_nothing():
    assert excluded([trained(0.0)]) == []
    assert excluded([trained(0.0)] * 3) == []
    assert excluded([trained(0.0), trained(0.5)]) == []
    assert excluded([trained(0.0)] * 4 + [trained(0.5)]) == []
    assert excluded([trained(0.0)] * 4 + [trained(0.01)] * 3 + [trained(1.1)]) == [7]


def test_what_hardly_moves_the_weights_is_never_excluded():
    tiny = HARMLESS / 1000
    assert excluded([trained(tiny), trained(tiny), trained(0.99 * LIMIT * HARMLESS)]) == []
    assert excluded([trained(tiny), trained(tiny), trained(1.01 * LIMIT * HARMLESS)]) == [2]


@pytest.mark.parametrize("times", [62, 10_000])
def test_a_client_of_many_users_may_go_as_far_as_its_steps_lead(times):
    """Even if all of them point the same way: its update is as many times as long."""
    small = [trained(1e-3, targets=10)] * 3
    assert excluded([*small, trained(0.99e-3 * times, targets=10 * times)]) == []
    # Claimed by one of few targets, the same length is a lie once it is beyond the limit.
    assert excluded([*small, trained(0.99e-3 * times, targets=10)]) == ([3] if times > 100 else [])
    far = 1e-3 * LIMIT * math.sqrt(times)
    assert excluded([*small, trained(1.01 * far, targets=10 * times)]) == [3]


def test_of_two_clients_the_larger_may_go_further():
    pair = [trained(1e-3, targets=10), trained(0.99, targets=1000)]
    assert excluded(pair) == []
    assert excluded(pair[::-1]) == []


def test_a_client_of_few_users_may_go_as_far_as_the_others():
    large = [trained(0.01, targets=10_000)] * 3
    assert excluded([*large, trained(0.99, targets=1)]) == []


def test_a_loss_is_held_against_the_median_and_one():
    assert excluded([trained(0.1, loss=x) for x in (5.0, 5.0, 499.0)]) == []
    assert excluded([trained(0.1, loss=x) for x in (5.0, 5.0, 501.0)]) == [2]
    # A model that has learned its data by heart has losses near zero.
    assert excluded([trained(0.1, loss=x) for x in (1e-6, 1e-6, 99.0)]) == []
    assert excluded([trained(0.1, loss=x) for x in (1e-6, 1e-6, 101.0)]) == [2]


def test_nobody_is_nobody():
    assert find_outliers({}, SENT, LIMIT) == {}


def test_the_reason_names_both_numbers_and_the_key():
    replies = {7: trained(0.1), 8: trained(0.1), 9: trained(25.0), 3: trained(0.1, loss=1e9)}
    assert find_outliers(replies, SENT, LIMIT) == {
        9: "its update has norm 25, the round's median is 0.1 (federation.outlier-limit = 100)",
        3: "its training loss is 1e+09, the round's median is 5 (federation.outlier-limit = 100)",
    }
