"""Slices of users: every user in exactly one, labels that say which, metrics of each."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrec.evaluation.bootstrap import intervals
from fedrec.evaluation.metrics import ndcg, summary
from fedrec.evaluation.slices import (
    POPULARITY_LABELS,
    Slices,
    by_history_length,
    by_popularity,
    by_training_events,
    partition_metrics,
    slice_metrics,
)


def interval(values, seed, **options):
    found = intervals({"value": values}, seed, **options)["value"]
    return found["low"], found["high"]


def test_history_slices_by_hand():
    lengths = np.array([4, 5, 6, 7, 8, 9, 10, 40])
    found = by_history_length(lengths)
    assert found.labels == ("4-5", "6-7", "8-9", "10-40")
    np.testing.assert_array_equal(found.member, [0, 0, 1, 1, 2, 2, 3, 3])


def test_users_of_equal_length_share_a_slice():
    found = by_history_length(np.array([3, 3, 3, 3, 3, 3, 9, 12]))
    assert found.labels == ("3", "9-12")
    np.testing.assert_array_equal(found.member, [0, 0, 0, 0, 0, 0, 1, 1])


@given(st.lists(st.integers(1, 40), min_size=1, max_size=50), st.integers(1, 6))
def test_history_labels_are_the_shortest_and_longest_of_each_slice(lengths, parts):
    lengths = np.array(lengths)
    found = by_history_length(lengths, parts)
    assert len(found.labels) <= parts
    ends = 0
    for index, label in enumerate(found.labels):
        inside = lengths[found.member == index]
        low, _, high = label.partition("-")
        assert (inside.min(), inside.max()) == (int(low), int(high or low))
        assert inside.min() > ends  # slices ascend and never overlap
        ends = inside.max()


def test_no_users_have_no_slices():
    assert by_history_length(np.array([], dtype=np.int64)).labels == ()


def test_popularity_slices_by_hand():
    # items 1..6 with 10, 50, 20, 15, 5, 0 of 100 events; by popularity: 2, 3, 4, 1, 5, 6
    # events on more popular items:                                      0, .5, .7, .85, .95, -
    counts = np.array([0, 10, 50, 20, 15, 5, 0])
    found = by_popularity(np.array([1, 2, 3, 4, 5, 6]), counts)
    assert [POPULARITY_LABELS[part][:4] for part in found.member] == [
        "tail",
        "head",
        "midd",
        "midd",
        "tail",
        "neve",
    ]


def test_head_ends_with_the_item_that_fills_20_percent():
    counts = np.array([0, 20, *[10] * 8])  # item 1 alone is 20 of 100 events
    assert by_popularity(np.array([1, 2]), counts).member.tolist() == [0, 1]


def test_popularity_without_any_event_is_never_seen():
    np.testing.assert_array_equal(by_popularity(np.array([1, 2]), np.zeros(3)).member, [3, 3])


def test_training_events_tell_cold_from_few_shot_from_warm():
    counts = np.array([0, 0, 1, 5, 6, 100])
    found = by_training_events(np.array([1, 2, 3, 4, 5]), counts, few=5)
    assert found.labels == ("cold (0)", "few-shot (1-5)", "warm (6 or more)")
    assert found.member.tolist() == [0, 1, 1, 2, 2]


def test_chance_of_a_slice_is_that_of_its_own_users():
    slices = Slices(("a", "b"), np.array([0, 0, 1]))
    found = slice_metrics(slices, np.array([1.0, 2.0, 1.0]), np.array([100, 50, 4]), seed=0)
    # 10 of 100 and 10 of 50 candidates; with 4 of them, everybody is among the first 10
    assert found[0]["chance"]["HR@10"] == pytest.approx((0.1 + 0.2) / 2)
    assert found[1]["chance"]["HR@10"] == 1.0
    every_rank = ndcg(np.arange(1.0, 5.0), 10)
    assert found[1]["chance"]["NDCG@10"] == pytest.approx(every_rank.mean())


def test_slice_metrics_have_the_layout_of_the_run_folder():
    slices = Slices(("few", "none", "many"), np.array([0, 2, 2, 0]))
    found = slice_metrics(slices, np.array([1.0, 3.0, 50.0, 20.0]), 100, seed=0, at=(10,))
    assert [(entry["slice"], entry["users"]) for entry in found] == [("few", 2), ("many", 2)]
    many = found[1]["metrics"]
    assert set(many) == {"HR@10", "NDCG@10", "Recall@10", "MRR", "AUC"}
    assert set(many["HR@10"]) == {"value", "low", "high", "users"}
    assert many["NDCG@10"]["value"] == pytest.approx((0.5 + 0) / 2)
    assert many["AUC"]["value"] == pytest.approx((97 + 50) / 99 / 2)


def test_slices_are_weighed_means_of_the_whole():
    rng = np.random.default_rng(0)
    ranks = rng.integers(1, 50, 200).astype(np.float64)
    found = slice_metrics(Slices(("a", "b", "c"), rng.integers(0, 3, 200)), ranks, 60, seed=0)
    for metric, value in summary(ranks, 60).items():
        parts = sum(part["users"] * part["metrics"][metric]["value"] for part in found)
        assert parts / 200 == pytest.approx(value)


def test_candidates_per_user_go_with_their_users():
    slices = Slices(("a", "b"), np.array([1, 0]))
    found = slice_metrics(slices, np.array([2.0, 2.0]), np.array([3, 5]), seed=0, at=(2,))
    assert [part["metrics"]["AUC"]["value"] for part in found] == [0.75, 0.5]


def test_partition_metrics_list_partitions_with_users_in_order():
    ranks = np.array([1.0, 30.0, 3.0, 2.0])
    found = partition_metrics(np.array([5, 0, 5, 5]), ranks, 100, seed=4, at=(10,))
    assert [(entry["partition"], entry["users"]) for entry in found] == [(0, 1), (5, 3)]
    entry = found[1]["metrics"]["NDCG@10"]
    low, high = interval(ndcg(ranks[[0, 2, 3]], 10), 4, name="partition 5")
    assert (entry["low"], entry["high"]) == pytest.approx((low, high))
