import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.selection import chosen_partitions, enough


def choose(partitions, fraction, seed=0, round=1, purpose="select"):
    return chosen_partitions(partitions, fraction, seed=seed, round=round, purpose=purpose)


@given(
    st.sets(st.integers(0, 500), min_size=1, max_size=60),
    st.floats(0.01, 1.0),
    st.integers(0, 99),
)
def test_the_chosen_are_distinct_ascending_and_among_those_given(partitions, fraction, seed):
    chosen = choose(list(partitions), fraction, seed)
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= partitions
    assert len(chosen) >= 1


@pytest.mark.parametrize(
    ("fraction", "expected"),
    # of 10 partitions, rounded up; 0.3 * 10 is 3.0000000000000004 - ish in floats
    [(0.01, 1), (0.1, 1), (0.3, 3), (0.31, 4), (0.7, 7), (1.0, 10)],
)
def test_a_fraction_is_rounded_up(fraction, expected):
    assert len(choose(range(10), fraction)) == expected


def test_the_draw_follows_seed_round_and_purpose_and_nothing_else():
    np.random.seed(3)  # noqa: NPY002  # the global generator has no say
    one = choose(range(50), 0.2, seed=4, round=7)
    np.random.seed(4)  # noqa: NPY002
    assert choose(list(reversed(range(50))), 0.2, seed=4, round=7) == one
    assert choose(range(50), 0.2, seed=5, round=7) != one
    assert choose(range(50), 0.2, seed=4, round=8) != one
    assert choose(range(50), 0.2, seed=4, round=7, purpose="evaluate") != one


def test_everybody_has_a_turn():
    seen = {p for number in range(1, 60) for p in choose(range(10), 0.2, round=number)}
    assert seen == set(range(10))


@pytest.mark.parametrize(
    ("share", "chosen", "needed"),
    [(0.14, 50, 7), (0.28, 25, 7), (0.56, 50, 28), (0.5, 3, 2), (0.01, 5, 1), (1.0, 10, 10)],
)
def test_enough_is_the_share_rounded_up_but_not_for_noise_in_floats(share, chosen, needed):
    assert enough(share, chosen) == needed
