import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrec.config.values.choices import SAMPLINGS
from fedrec.errors import ConfigError
from fedrec.runs.record import read_run
from server.granularity.make import population_of as population_of_run
from server.messages.registration import Registration
from server.run import exit_code_of
from server.sampling.population import Population, required_replies, sample_partitions


def choose(partitions, fraction, seed=0, round=1, purpose="select"):
    return sample_partitions(partitions, fraction, seed=seed, round=round, purpose=purpose)


@given(
    st.sets(st.integers(0, 500), min_size=1, max_size=60),
    st.floats(0.01, 1.0),
    st.integers(0, 99),
)
def test_the_sampled_are_distinct_ascending_and_among_those_given(partitions, fraction, seed):
    sampled = choose(list(partitions), fraction, seed)
    assert sampled == sorted(set(sampled))
    assert set(sampled) <= partitions
    assert len(sampled) >= 1


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


def population_of(size):
    return Population(
        users=np.arange(size) * 3, partitions=np.arange(size) % 7, targets=np.full(size, 5)
    )


def test_a_fixed_cohort_draws_every_user_equally_often():
    population = population_of(40)
    drawn = [population.sample(8, sampling="fixed", seed=1, round=n) for n in range(2000)]
    assert all(len(np.unique(users)) == 8 and (np.diff(users) > 0).all() for users in drawn)
    counts = np.bincount(np.concatenate(drawn) // 3, minlength=40)
    # 400 expected of each, standard deviation 18
    assert counts.min() > 400 - 5 * 18
    assert counts.max() < 400 + 5 * 18
    np.testing.assert_array_equal(drawn[5], population.sample(8, sampling="fixed", seed=1, round=5))


def test_a_poisson_cohort_takes_every_user_by_itself():
    population = population_of(40)
    drawn = [population.sample(8, sampling="poisson", seed=1, round=n) for n in range(3000)]
    sizes = np.array([len(users) for users in drawn])
    assert sizes.min() >= 1
    # Binomial(40, .2): mean 8, variance 6.4
    assert sizes.mean() == pytest.approx(8, abs=5 * np.sqrt(6.4 / 3000))
    assert sizes.var() == pytest.approx(6.4, rel=0.15)
    # Two users meet as often as independence says: .2 squared
    both = np.mean([{0, 3} <= set(users.tolist()) for users in drawn])
    assert both == pytest.approx(0.04, abs=5 * np.sqrt(0.04 * 0.96 / 3000))


def test_shuffled_cohorts_take_every_user_once_a_pass():
    """40 users in cohorts of at most 12: four of ten."""
    population = population_of(40)
    drawn = [population.sample(12, sampling="shuffled", seed=1, round=n) for n in range(1, 401)]
    assert {len(users) for users in drawn} == {10}
    for first in range(0, 400, 4):
        one_pass = np.concatenate(drawn[first : first + 4])
        np.testing.assert_array_equal(np.sort(one_pass), population.users)
    # Every pass has an order of its own: 100 passes, a quarter of them expected, deviation 4.3.
    firsts = np.bincount(np.concatenate(drawn[::4]) // 3, minlength=40)
    assert firsts.min() > 25 - 5 * 4.3
    assert firsts.max() < 25 + 5 * 4.3
    again = population.sample(12, sampling="shuffled", seed=1, round=7)
    np.testing.assert_array_equal(drawn[6], again)
    other = population.sample(12, sampling="shuffled", seed=2, round=7)
    assert other.tolist() != again.tolist()


def test_shuffled_cohorts_differ_by_one_user_at_most():
    """11 users in cohorts of at most 4: 4, 4 and 3."""
    population = population_of(11)
    drawn = [population.sample(4, sampling="shuffled", seed=0, round=n) for n in (1, 2, 3)]
    assert [len(users) for users in drawn] == [4, 4, 3]


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_cohort_of_everybody_is_everybody(sampling):
    users = population_of(5).sample(5, sampling=sampling, seed=0, round=1)
    assert users.tolist() == [0, 3, 6, 9, 12]


def test_a_cohort_larger_than_the_population_is_refused():
    """Of five users, one has a single training event and cannot be drawn."""
    users = {0: np.array([4, 2]), 1: np.array([7, 8, 9])}
    targets = {0: np.array([3, 1]), 1: np.array([2, 0, 6])}
    registration = Registration(
        node_of={0: 11, 1: 12},
        users=users,
        user_ids={0: [], 1: []},
        targets={0: 4, 1: 8},
        item_counts_of={},
        data_hash="",
        table_hash="",
        user_targets=targets,
    )

    assert population_of_run(registration, 4).users.tolist() == [2, 4, 7, 9]
    with pytest.raises(ConfigError) as caught:
        population_of_run(registration, 5)
    assert str(caught.value) == (
        "federation.cohort is 5, but 4 users have two training events; "
        "set federation.cohort = 4 or less"
    )


def test_a_run_with_too_large_a_cohort_fails_with_exit_code_2(run_inline, small_config, tmp_path):
    keys = {"federation.unit": "user", "federation.cohort": 60, "local.optimizer-state": "reset"}
    with pytest.raises(ConfigError, match=r"federation\.cohort is 60, but 59 users") as caught:
        run_inline(small_config(keys), tmp_path / "run")
    assert exit_code_of(caught.value) == 2
    assert read_run(tmp_path / "run").status == "failed"


def test_users_are_found_where_they_are_held():
    users = {0: np.array([5, 1]), 2: np.array([3, 9]), 1: np.array([4])}
    targets = {0: np.array([7, 0]), 2: np.array([2, 1]), 1: np.array([8])}
    population = Population.of(users, targets)
    assert population.users.tolist() == [3, 4, 5, 9]  # user 1 has nothing to train on
    assert population.targets_of(np.array([5, 9])).tolist() == [7, 1]
    held = population.by_partition(np.array([3, 5, 9]))
    assert {p: u.tolist() for p, u in held.items()} == {0: [5], 2: [3, 9]}


@pytest.mark.parametrize(
    ("share", "sampled", "needed"),
    [(0.14, 50, 7), (0.28, 25, 7), (0.56, 50, 28), (0.5, 3, 2), (0.01, 5, 1), (1.0, 10, 10)],
)
def test_enough_is_the_share_rounded_up_but_not_for_noise_in_floats(share, sampled, needed):
    assert required_replies(share, sampled) == needed
