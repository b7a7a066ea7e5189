"""Sampled candidates: whom they leave out, what fixes them, what they are called."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrec.config.values.choices import PROTOCOLS
from fedrec.errors import ConfigError
from fedrec.evaluation.protocols import candidates, describe, metric_label, refuse_unranked

NUM_ITEMS = 160
SAMPLED = ("uniform-100", "uniform-99", "candidates-20", "popularity-100")


@pytest.fixture(scope="module")
def people():
    """30 users with numbers that have gaps, histories with repeats, and their targets."""
    rng = np.random.default_rng(0)
    histories = [rng.integers(1, NUM_ITEMS + 1, rng.integers(1, 40)) for _ in range(30)]
    return {
        "users": np.arange(30) * 7 + 2,
        "histories": histories,
        "targets": rng.integers(1, NUM_ITEMS + 1, 30),
    }


def draw(protocol, people, *, seed=0, stage="test", counts=None, num_items=NUM_ITEMS):
    counts = np.arange(num_items + 1) if counts is None else counts
    return candidates(
        protocol, **people, num_items=num_items, counts=counts, seed=seed, stage=stage
    )


@pytest.mark.parametrize("protocol", SAMPLED)
def test_negatives_are_distinct_and_neither_target_nor_history(protocol, people):
    drawn = draw(protocol, people)
    number = 20 if protocol == "candidates-20" else int(protocol.split("-")[1]) + 1
    assert drawn.shape == (30, number)
    np.testing.assert_array_equal(drawn[:, 0], people["targets"])
    for row, history in zip(drawn, people["histories"], strict=True):
        assert len(set(row.tolist())) == len(row)
        assert not set(row[1:].tolist()) & set(history.tolist())
        assert row.min() >= 1
        assert row.max() <= NUM_ITEMS


@pytest.mark.parametrize("protocol", SAMPLED)
def test_candidates_do_not_depend_on_who_is_evaluated_together(protocol, people):
    whole = draw(protocol, people)
    some = [17, 3, 8]
    part = {
        "users": people["users"][some],
        "histories": [people["histories"][row] for row in some],
        "targets": people["targets"][some],
    }
    np.testing.assert_array_equal(draw(protocol, part), whole[some])


@pytest.mark.parametrize("protocol", SAMPLED)
def test_another_seed_or_stage_has_other_candidates(protocol, people):
    first = draw(protocol, people)
    assert np.any(draw(protocol, people, seed=1) != first)
    assert np.any(draw(protocol, people, stage="validation") != first)


@given(st.integers(0, 2**32 - 1))
def test_order_of_the_history_changes_no_candidate(seed):
    history = np.array([5, 9, 9, 30])
    one = {"users": np.array([4]), "targets": np.array([2])}
    np.testing.assert_array_equal(
        draw("uniform-100", {**one, "histories": [history]}, seed=seed),
        draw("uniform-100", {**one, "histories": [np.array([0, 30, 9, 5])]}, seed=seed),
    )


def test_first_popularity_draw_is_proportional_to_training_events():
    # 100 items of weight 1 and item 101 of weight 100; item 102 is the target
    users = 2000
    counts = np.ones(103, dtype=np.int64)
    counts[101] = 100
    drawn = candidates(
        "popularity-100",
        users=np.arange(users),
        histories=[np.array([], dtype=np.int64)] * users,
        targets=np.full(users, 102),
        num_items=102,
        counts=counts,
        seed=0,
        stage="test",
    )
    share = (drawn[:, 1] == 101).mean()
    assert abs(share - 0.5) < 4 * np.sqrt(0.25 / users)


def test_second_popularity_draw_is_proportional_to_what_is_left():
    # item 1 is nearly always first; then item 2 has 100 of the 200 that are left
    users = 4000
    counts = np.ones(104, dtype=np.int64)
    counts[1], counts[2] = 100_000, 100
    drawn = candidates(
        "popularity-100",
        users=np.arange(users),
        histories=[np.array([], dtype=np.int64)] * users,
        targets=np.full(users, 103),
        num_items=103,
        counts=counts,
        seed=0,
        stage="test",
    )
    after_first = drawn[drawn[:, 1] == 1, 2]
    assert len(after_first) > 0.99 * users
    assert abs((after_first == 2).mean() - 0.5) < 4 * np.sqrt(0.25 / users)


def test_items_never_trained_on_are_no_popularity_candidates(people):
    counts = np.ones(NUM_ITEMS + 1, dtype=np.int64)
    counts[:11] = 0
    assert draw("popularity-100", people, counts=counts)[:, 1:].min() > 10


def test_uniform_candidates_take_every_item_alike():
    users = 2000
    drawn = candidates(
        "uniform-100",
        users=np.arange(users),
        histories=[np.array([1])] * users,
        targets=np.full(users, 2),
        num_items=202,
        counts=None,
        seed=0,
        stage="test",
    )
    counts = np.bincount(drawn[:, 1:].ravel(), minlength=203)[3:]  # 200 open items, 100 drawn
    assert np.all(np.abs(counts - users / 2) < 5 * np.sqrt(users / 4))


@pytest.mark.parametrize("protocol", SAMPLED)
def test_who_has_too_few_items_outside_the_history_has_no_candidates(protocol):
    two = {
        "users": np.array([8, 9]),
        "histories": [np.arange(1, 110), np.array([1, 2])],
        "targets": np.array([3, 3]),
    }
    drawn = draw(protocol, two, num_items=120)
    assert not drawn[0].any()
    assert drawn[1].all()
    alone = {name: values[1:] for name, values in two.items()}
    np.testing.assert_array_equal(draw(protocol, alone, num_items=120), drawn[1:])


def test_a_protocol_under_which_nobody_has_a_rank_is_refused():
    refuse_unranked("uniform-99", 1)
    with pytest.raises(ConfigError, match='"uniform-99" needs 99 negatives, but no user has'):
        refuse_unranked("uniform-99", 0)


def test_exactly_enough_items_are_enough():
    one = {"users": np.array([8]), "histories": [np.array([1, 2])], "targets": np.array([3])}
    drawn = draw("uniform-99", one, num_items=102)
    np.testing.assert_array_equal(np.sort(drawn[0]), np.arange(3, 103))


@pytest.mark.parametrize("protocol", ["full", "ncf-99"])
def test_protocols_that_draw_nothing_are_refused(protocol, people):
    with pytest.raises(ConfigError, match="draws no candidates"):
        draw(protocol, people)


def test_an_unknown_protocol_is_refused_with_the_known_ones(people):
    with pytest.raises(ConfigError, match=r'"uniform-7", expected one of full, uniform-100'):
        draw("uniform-7", people)


def test_popularity_without_counts_is_refused(people):
    with pytest.raises(ConfigError, match="needs training counts"):
        candidates(
            "popularity-100", **people, num_items=NUM_ITEMS, counts=None, seed=0, stage="test"
        )


@pytest.mark.parametrize(
    ("protocol", "label"),
    [
        ("full", "NDCG@10"),
        ("uniform-99", "NDCG@10 (99 sampled)"),
        ("popularity-100", "NDCG@10 (100 sampled by popularity)"),
        ("ncf-99", "NDCG@10 (99 sampled, NCF's)"),
    ],
)
def test_metric_names_tell_that_candidates_were_sampled(protocol, label):
    assert metric_label("NDCG@10", protocol) == label


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_description_names_what_is_ranked(protocol):
    words = describe(protocol, 3416)
    assert ("3,416" in words) == (protocol == "full")
    assert ("sampled" in words) == (protocol != "full")


def test_what_is_told_when_it_is_asked_says_so_in_every_name():
    assert metric_label("NDCG@10", "full+query-time") == "NDCG@10 (query time known)"
    label = metric_label("HR@10", "uniform-99+query-time")
    assert label == "HR@10 (99 sampled, query time known)"
    words = describe("full+query-time", 3416)
    assert words.startswith(describe("full", 3416))
    assert "a protocol of its own" in words
