"""Metrics by hand, their laws, ranx as a second opinion, and the bootstrap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fedrec.errors import ConfigError, EvaluationError
from fedrec.evaluation import bootstrap
from fedrec.evaluation.bootstrap import intervals
from fedrec.evaluation.metrics import auc, check_cutoffs, hr, mrr, ndcg, per_user, recall, summary
from fedrec.evaluation.ranking import ranks_of
from fedrec.evaluation.spread import partition_means, partition_spread, spread

half_ranks = arrays(
    np.float64, st.integers(1, 30), elements=st.integers(2, 80).map(lambda twice: twice / 2)
)


def interval(values, seed, **options):
    found = intervals({"value": values}, seed, **options)["value"]
    return found["low"], found["high"]


@pytest.mark.parametrize(
    ("rank", "expected"),  # 1 / log2(1 + rank), nothing beyond 10
    [(1, 1.0), (3, 0.5), (7, 1 / 3), (10, 0.289064826), (10.5, 0.0), (11, 0.0)],
)
def test_ndcg_at_10_by_hand(rank, expected):
    assert ndcg(np.array([float(rank)]), 10) == pytest.approx(expected)


def test_hit_is_a_rank_up_to_k():
    ranks = np.array([1.0, 10.0, 10.5, 11.0])
    np.testing.assert_array_equal(hr(ranks, 10), [1, 1, 0, 0])
    np.testing.assert_array_equal(recall(ranks, 10), [1, 1, 0, 0])


def test_mrr_by_hand_with_and_without_cut_off():
    ranks = np.array([1.0, 4.0, 20.0])
    np.testing.assert_allclose(mrr(ranks), [1, 0.25, 0.05])
    np.testing.assert_allclose(mrr(ranks, 10), [1, 0.25, 0])


def test_auc_is_1_at_the_top_half_in_the_middle_and_0_at_the_end():
    np.testing.assert_allclose(auc(np.array([1.0, 51.0, 101.0]), 101), [1, 0.5, 0])
    np.testing.assert_allclose(auc(np.array([2.0, 2.0]), np.array([3, 5])), [0.5, 0.75])


def test_summary_averages_over_users():
    found = summary(np.array([1.0, 3.0, 30.0, 60.0]), 100, at=(10,))
    assert found == pytest.approx(
        {
            "HR@10": 2 / 4,
            "NDCG@10": (1 + 0.5) / 4,
            "Recall@10": 2 / 4,
            "MRR": (1 + 1 / 3 + 1 / 30 + 1 / 60) / 4,
            "AUC": (99 + 97 + 70 + 40) / 99 / 4,
        }
    )


def test_summary_without_candidates_has_no_auc():
    assert set(summary(np.array([1.0]), at=(5,))) == {"HR@5", "NDCG@5", "Recall@5", "MRR"}


def test_summary_of_nobody_is_refused():
    with pytest.raises(EvaluationError, match="no user"):
        summary(np.array([]), 100)


@given(half_ranks, st.integers(1, 50))
def test_hr_never_falls_in_k_and_is_never_below_ndcg(ranks, k):
    assert np.all(hr(ranks, k) <= hr(ranks, k + 1))
    assert np.all(ndcg(ranks, k) <= ndcg(ranks, k + 1))
    assert np.all(ndcg(ranks, k) <= hr(ranks, k))
    assert np.all(mrr(ranks, k) <= ndcg(ranks, k))


def test_auc_without_another_candidate_is_that_of_chance():
    np.testing.assert_array_equal(auc(np.array([1.0, 1.0]), np.array([1, 2])), [0.5, 1.0])


@given(half_ranks)
def test_auc_is_the_share_of_pairs_won(ranks):
    rank = np.floor(ranks[0])
    scores = np.arange(41, 0, -1.0)[None]  # item i has rank i of 40
    target = np.array([int(rank)])
    share = np.mean(scores[0, 1:][np.arange(1, 41) != rank] < scores[0, int(rank)])
    assert auc(ranks_of(scores, target), 40)[0] == pytest.approx(share)


def test_k_larger_than_the_catalogue_is_refused():
    with pytest.raises(ConfigError, match=r"evaluation\.at holds 41, but only 40 items"):
        check_cutoffs((5, 41), 40)
    with pytest.raises(ConfigError, match="only 30 items"):
        check_cutoffs((31,), np.array([30, 20]))
    check_cutoffs((40,), 40)
    check_cutoffs((10,), 8)  # the cut-off that selects the best round stays


def test_k_beyond_a_few_users_candidates_is_met_by_every_rank():
    found = per_user(np.array([1.0, 20.0]), np.array([30, 20]), at=(31,))
    np.testing.assert_array_equal(found["HR@31"], [1.0, 1.0])


@pytest.mark.parametrize("k", [0, -1])
def test_k_not_positive_is_refused(k):
    for call in (hr, ndcg, mrr, recall):
        with pytest.raises(ConfigError, match="1 or more"):
            call(np.array([1.0]), k)
    with pytest.raises(ConfigError, match="1 or more"):
        summary(np.array([1.0]), 40, at=(10, k))


def test_a_rank_beyond_the_candidates_is_refused():
    with pytest.raises(EvaluationError, match=r"rank 12\.0 lies beyond the 11 candidates"):
        auc(np.array([12.0]), 11)


@pytest.mark.slow  # ranx compiles its metrics for several seconds
@pytest.mark.filterwarnings("ignore")  # numba and ranx warn about themselves
def test_ranx_agrees():
    ranx = pytest.importorskip("ranx")
    rng = np.random.default_rng(0)
    users, items = 60, 80
    scores = rng.standard_normal((users, items + 1))
    targets = rng.integers(1, items + 1, size=users)
    ranks = ranks_of(scores, targets)
    run = {
        f"u{user}": {f"i{item}": float(scores[user, item]) for item in range(1, items + 1)}
        for user in range(users)
    }
    qrels = {f"u{user}": {f"i{target}": 1} for user, target in enumerate(targets)}
    names = [f"{name}@{k}" for name in ("hit_rate", "ndcg", "recall") for k in (5, 10, 20)]
    theirs = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), [*names, "mrr", "mrr@10"])
    ours = {"mrr": mrr(ranks).mean(), "mrr@10": mrr(ranks, 10).mean()}
    for k in (5, 10, 20):
        ours[f"hit_rate@{k}"] = hr(ranks, k).mean()
        ours[f"ndcg@{k}"] = ndcg(ranks, k).mean()
        ours[f"recall@{k}"] = recall(ranks, k).mean()
    assert ours == pytest.approx(theirs, abs=1e-10)
    assert 0 < ours["hit_rate@10"] < 1


def test_interval_of_a_share_is_as_wide_as_the_binomial_law_says():
    hits = np.zeros(1000)
    hits[:300] = 1
    low, high = interval(hits, seed=1, resamples=4000)
    half = 1.96 * np.sqrt(0.3 * 0.7 / 1000)
    assert (low, high) == pytest.approx((0.3 - half, 0.3 + half), abs=0.003)


def test_intervals_hold_value_low_and_high_of_each_metric():
    found = intervals(per_user(np.array([1.0, 5.0, 50.0]), 100, at=(10,)), seed=0)
    assert set(found) == {"HR@10", "NDCG@10", "Recall@10", "MRR", "AUC"}
    for entry in found.values():
        assert set(entry) == {"value", "low", "high", "users"}
        assert entry["low"] <= entry["value"] <= entry["high"]
    assert found["HR@10"]["value"] == pytest.approx(2 / 3)


def test_interval_of_equal_values_is_a_point():
    assert interval(np.full(7, 0.25), seed=3) == (0.25, 0.25)


def test_interval_follows_from_seed_and_name():
    values = np.random.default_rng(0).random(50)
    assert interval(values, 1) == interval(values, 1)
    assert interval(values, 1) != interval(values, 2)
    assert interval(values, 1, name="test") != interval(values, 1, name="head")


def test_other_metrics_beside_it_do_not_move_an_interval():
    values = np.random.default_rng(0).random(50)
    both = intervals({"other": values**2, "value": values}, seed=1)["value"]
    assert (both["low"], both["high"]) == pytest.approx(interval(values, 1), abs=1e-12)


def test_bootstrap_in_blocks_gives_the_same_interval(monkeypatch):
    values = np.random.default_rng(0).random(40)
    whole = interval(values, 5)
    monkeypatch.setattr(bootstrap, "_CELLS", 40 * 7)
    assert interval(values, 5) == pytest.approx(whole, abs=1e-12)


def test_partition_means_by_hand_leave_out_partitions_without_users():
    numbers, means = partition_means(np.array([1.0, 0.0, 1.0, 1.0]), np.array([4, 4, 0, 0]))
    np.testing.assert_array_equal(numbers, [0, 4])
    np.testing.assert_array_equal(means, [1.0, 0.5])


def test_spread_over_partitions_by_hand():
    found = spread(np.arange(11) / 10)  # 0, .1, ..., 1; the worst ceil(11 / 10) = 2: 0 and .1
    assert found == pytest.approx({"p10": 0.1, "p50": 0.5, "p90": 0.9, "worst_decile": 0.05})


def test_partition_spread_takes_each_partition_once():
    # partition 0 has three users who all hit at rank 1, partition 1 a single miss
    found = partition_spread(np.array([1.0, 1.0, 1.0, 99.0]), np.array([0, 0, 0, 1]))
    assert set(found) == {"HR@10", "NDCG@10"}
    assert found["HR@10"]["p50"] == pytest.approx(0.5)
    assert found["HR@10"]["worst_decile"] == 0.0
