"""Partitions lose no user, leave no client empty, and split tastes as they say."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrec.data.genre_profiles import dominant_genres, genre_profiles, taste_divergence
from fedrec.data.partitions import assign as partition
from fedrec.data.partitions.assign import users_of
from fedrec.data.partitions.rules import PartitionFacts
from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError, DataError

# Items 1..4: comedy, drama, both, neither.
GENRES = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [0, 0]], dtype=np.float32)


def assign(by, count, **facts):
    return partition.assign(by, count, PartitionFacts(**facts))


def sequences_of(*histories):
    offsets = np.concatenate([[0], np.cumsum([len(history) for history in histories])])
    return Sequences(np.concatenate(histories).astype(np.int32), offsets.astype(np.int64))


@st.composite
def federations(draw):
    users, count = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sequences = sequences_of(*[rng.integers(1, 5, rng.integers(1, 6)) for _ in range(users)])
    return sequences, min(count, users)


@given(
    federations(),
    st.sampled_from(["uniform", "activity", "taste", "taste-semantic", "taste-co-occurrence"]),
    st.sampled_from([1e-3, 0.1, 1.0, 1e3]),
    st.integers(0, 9),
)
def test_no_user_is_lost_and_no_partition_is_empty(federation, by, alpha, seed):
    sequences, count = federation
    facts = {"genres": GENRES, "embeddings": GENRES, "clusters": 2}
    found = assign(by, count, sequences=sequences, seed=seed, alpha=alpha, **facts)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(np.unique(found), np.arange(count))
    together = np.concatenate([users_of(found, number) for number in range(count)])
    np.testing.assert_array_equal(np.sort(together), np.arange(sequences.num_users))


@given(federations(), st.sampled_from(["uniform", "taste", "taste-co-occurrence"]))
def test_equal_seeds_give_equal_partitions(federation, by):
    sequences, count = federation
    first, second = (
        assign(by, count, sequences=sequences, seed=5, genres=GENRES) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("by", ["uniform", "taste"])
def test_another_seed_gives_another_partition(by):
    sequences = sequences_of(*[[1 + user % 2] for user in range(40)])
    first, second = (
        assign(by, 4, sequences=sequences, seed=seed, genres=GENRES) for seed in (0, 1)
    )
    assert np.any(first != second)


@pytest.mark.parametrize("count", [0, 3])
def test_each_user_is_a_partition_of_its_own(count):
    found = assign("each", count, sequences=sequences_of([1], [2], [3]), seed=0)
    np.testing.assert_array_equal(found, [0, 1, 2])


def test_each_refuses_another_number_of_partitions():
    with pytest.raises(ConfigError, match=r"partition\.count is 2.*set partition\.count to 3"):
        assign("each", 2, sequences=sequences_of([1], [2], [3]), seed=0)


def test_uniform_sizes_differ_by_one_at_most():
    found = assign("uniform", 3, sequences=sequences_of(*[[1]] * 11), seed=0)
    assert sorted(np.bincount(found)) == [3, 4, 4]


def test_activity_puts_the_least_active_users_together():
    lengths = [5, 1, 3, 2, 9, 3]
    sequences = sequences_of(*[[1] * length for length in lengths])
    found = assign("activity", 3, sequences=sequences, seed=0)
    # by length: users 1, 3 | 2, 5 (both 3) | 0, 4
    np.testing.assert_array_equal(found, [2, 0, 1, 0, 2, 1])


def test_genre_profiles_share_an_event_among_its_genres():
    profiles = genre_profiles(sequences_of([1, 1, 3], [2, 4]), GENRES)
    np.testing.assert_array_equal(profiles, [[2.5, 0.5], [0, 1]])
    np.testing.assert_array_equal(dominant_genres(profiles), [0, 1])


def test_genre_gives_each_dominant_genre_a_partition_in_the_order_of_names():
    sequences = sequences_of([1, 1, 2], [2], [3, 2], [1])
    found = assign(
        "genre", 2, sequences=sequences, seed=0, genres=GENRES, genre_names=["Comedy", "Drama"]
    )
    np.testing.assert_array_equal(found, [0, 1, 1, 0])


def test_attribute_groups_are_ordered_as_numbers_are():
    attributes = {"age": ["18", "2", "100", "18"]}
    found = assign("age", 3, sequences=sequences_of(*[[1]] * 4), seed=0, attributes=attributes)
    np.testing.assert_array_equal(found, [1, 0, 2, 1])


def test_the_smallest_groups_are_packed_onto_the_smallest_partition():
    # groups a: 4 users, b: 3, c: 2, d: 1; two partitions: a and b, then c joins b (3), d joins a
    values = list("aaaabbbccd")
    found = assign(
        "gender", 2, sequences=sequences_of(*[[1]] * 10), seed=0, attributes={"gender": values}
    )
    assert dict(zip(values, found.tolist(), strict=True)) == {"a": 0, "b": 1, "c": 1, "d": 0}


@given(federations(), st.integers(1, 8))
def test_packing_keeps_groups_whole_and_partitions_filled(federation, num_groups):
    sequences, count = federation
    values = [str(user % num_groups) for user in range(sequences.num_users)]
    count = min(count, len(set(values)))
    found = assign("x", count, sequences=sequences, seed=0, attributes={"x": values})
    np.testing.assert_array_equal(np.unique(found), np.arange(count))
    assert len(set(zip(values, found.tolist(), strict=True))) == len(set(values))


def test_small_alpha_gathers_tastes_and_large_alpha_spreads_them():
    rng = np.random.default_rng(0)
    sequences = sequences_of(*[rng.choice([1, 2], 9, p=p) for p in ([0.9, 0.1], [0.1, 0.9]) * 200])
    profiles = genre_profiles(sequences, GENRES)
    divergences = [
        np.mean(
            [
                taste_divergence(
                    assign("taste", 5, sequences=sequences, seed=s, alpha=alpha, genres=GENRES),
                    profiles,
                )
                for s in range(5)
            ]
        )
        for alpha in (0.05, 1.0, 100.0)
    ]
    assert divergences[0] > 2 * divergences[1] > 4 * divergences[2]


def test_divergence_of_opposite_tastes_by_hand():
    # Two partitions, one all comedy, one all drama; overall 1/2, 1/2; middle of (1, 0): 3/4, 1/4
    # JS = (log2(4/3) + (log2(2/3) + log2(2)) / 2) / 2 = .31128
    profiles = np.array([[3.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    found = taste_divergence(np.array([0, 1, 1], dtype=np.int32), profiles)
    expected = (np.log2(4 / 3) + (np.log2(2 / 3) + np.log2(2)) / 2) / 2
    assert found == pytest.approx(expected)


def test_divergence_of_equal_tastes_is_zero():
    profiles = np.array([[2.0, 1.0], [4.0, 2.0], [0.0, 0.0]])
    assert taste_divergence(np.array([0, 1, 2], dtype=np.int32), profiles) == pytest.approx(0)
    assert taste_divergence(np.array([0], dtype=np.int32), np.zeros((1, 2))) == 0.0


@pytest.mark.parametrize("by", ["uniform", "activity", "taste", "genre", "age"])
def test_more_partitions_than_users_are_refused(by):
    with pytest.raises(ConfigError, match=r"partition\.count is 4, but 3 users"):
        assign(
            by,
            4,
            sequences=sequences_of([1], [2], [3]),
            seed=0,
            genres=GENRES,
            attributes={"age": ["1", "2", "3"]},
        )


def test_an_empty_partition_gets_a_user_of_the_largest():
    # alpha so small that all 12 users of the one genre fall into one partition
    sequences = sequences_of(*[[1]] * 12)
    found = assign("taste", 4, sequences=sequences, seed=0, alpha=1e-3, genres=GENRES)
    assert sorted(np.bincount(found)) == [1, 1, 1, 9]


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf")])
def test_alpha_not_above_zero_is_refused(alpha):
    with pytest.raises(ConfigError, match=r"partition\.alpha must be a finite number above 0"):
        assign("taste", 1, sequences=sequences_of([1]), seed=0, alpha=alpha, genres=GENRES)


@pytest.mark.parametrize("number", [-1, 2])
def test_a_partition_number_out_of_range_is_refused(number):
    with pytest.raises(ConfigError, match=r"does not exist, there are 2 \(0 to 1\)"):
        users_of(np.array([0, 1, 1], dtype=np.int32), number)


def test_fewer_groups_than_partitions_are_refused_with_their_number():
    with pytest.raises(ConfigError, match=r"gives 2 groups, too few .*num-supernodes\) to 2"):
        assign(
            "gender",
            3,
            sequences=sequences_of(*[[1]] * 4),
            seed=0,
            attributes={"gender": ["F", "M", "F", "M"]},
        )


def test_an_unknown_attribute_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match=r'is "town".*the data has: age, gender'):
        assign(
            "town",
            1,
            sequences=sequences_of([1]),
            seed=0,
            attributes={"gender": ["F"], "age": ["1"]},
        )
    with pytest.raises(ConfigError, match="the data has: none"):
        assign("town", 1, sequences=sequences_of([1]), seed=0)


def test_an_attribute_of_another_length_is_refused():
    with pytest.raises(DataError, match='"age" has 2 values for 1 users'):
        assign("age", 1, sequences=sequences_of([1]), seed=0, attributes={"age": ["1", "2"]})


@pytest.mark.parametrize("by", ["taste", "genre"])
@pytest.mark.parametrize("genres", [None, np.zeros((5, 0), dtype=np.float32)])
def test_taste_without_genres_is_refused(by, genres):
    with pytest.raises(ConfigError, match="needs genres, which the data does not have"):
        assign(by, 1, sequences=sequences_of([1]), seed=0, genres=genres)


@pytest.mark.slow
@pytest.mark.skipif("FEDREC_DATA" not in os.environ, reason="FEDREC_DATA names no data folder")
def test_divergences_of_movielens_1m_are_those_measured_before(tmp_path):
    from fedrec.data.preparation.store import open_dataset, prepare

    source = Path(os.environ["FEDREC_DATA"]) / "ml-1m.zip"
    data = open_dataset(prepare(str(source), home=tmp_path, seed=0))
    genres = data.catalog.genre_matrix()
    profiles = genre_profiles(data.sequences, genres)
    measured = {
        ("uniform", 10): 0.00016,
        ("zip", 10): 0.0007,
        ("occupation", 21): 0.0044,
        ("gender", 2): 0.0045,
        ("age", 7): 0.0051,
        ("genre", 18): 0.135,
    }
    for (by, count), expected in measured.items():
        found = assign(
            by,
            count,
            sequences=data.sequences,
            seed=0,
            genres=genres,
            genre_names=data.catalog.genre_names(),
            attributes=data.attributes,
        )
        tolerance = 0.3 if by == "uniform" else 0.06  # the random partition is another draw
        assert taste_divergence(found, profiles) == pytest.approx(expected, rel=tolerance)
    single = taste_divergence(assign("each", 0, sequences=data.sequences, seed=0), profiles)
    assert single == pytest.approx(0.098, rel=0.01)
