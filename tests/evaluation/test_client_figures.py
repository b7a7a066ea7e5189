"""Figures over clients: numbers by hand, and who stands far out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrec.evaluation.client_figures import client_figures, far_out_clients


def spread(hits, users=10):
    """Ranks and partitions of clients with ``users`` users each, ``hits`` of them at rank 1."""
    ranks = np.concatenate([[1.0] * hit + [100.0] * (users - hit) for hit in hits])
    return ranks, np.repeat(np.arange(len(hits)), users)


def test_mean_median_and_trimmed_mean_by_hand():
    # Means .1 .2 .3 .4 1.0: the trimmed mean leaves out one at either end.
    found = client_figures(*spread([1, 2, 3, 4, 10]))["HR@10"]
    assert found["mean"] == pytest.approx(0.4)
    assert found["median"] == pytest.approx(0.3)
    assert found["trimmed_mean"] == pytest.approx(0.3)
    assert (found["low"], found["high"]) == pytest.approx((0.1, 1.0))


def test_clients_count_once_however_many_users_they_have():
    ranks = np.array([1.0, 100.0, 100.0, 100.0, 1.0])
    found = client_figures(ranks, np.array([3, 3, 3, 3, 8]))["HR@10"]
    assert found["mean"] == pytest.approx((0.25 + 1.0) / 2)
    assert found["trimmed_mean"] == found["median"] == found["mean"]  # two: none is left out


def test_a_client_whose_users_all_have_rank_1_is_named():
    ranks, partitions = spread([7, 8, 50, 6, 9], users=50)
    figures = client_figures(ranks, partitions)
    [one] = figures["HR@10"]["far_out"]
    assert one == {"partition": 2, "users": 50, "value": 1.0, "others": pytest.approx(0.15)}
    told = far_out_clients(figures)
    assert told[0].startswith("Partition 2 (50 users) stands far out: HR@10 1.0000, the other cl")
    assert len(told) == 2  # NDCG@10 as well


def test_a_client_is_far_at_five_deviations_by_hand():
    # Others: means .1 .2 .3, variance .01, mean .2; a user's variance .2 * .8 = .16, of 25 users
    # .0064. Five deviations: 5 * sqrt(.01 + .0064) = .6403, so .84 is near and .88 is far.
    near, far = ([*(np.array([0.1, 0.2, 0.3]) * 50), last * 25] for last in (0.84, 0.88))
    for hits, expected in ((near, 0), (far, 1)):
        ranks = np.concatenate(
            [
                [1.0] * round(hit) + [100.0] * (users - round(hit))
                for hit, users in zip(hits, (50, 50, 50, 25), strict=True)
            ]
        )
        partitions = np.repeat(np.arange(4), (50, 50, 50, 25))
        assert len(client_figures(ranks, partitions)["HR@10"]["far_out"]) == expected


def test_three_clients_are_too_few_to_name_one():
    assert client_figures(*spread([0, 0, 10]))["HR@10"]["far_out"] == []


@given(st.permutations(range(6)), st.integers(0, 10_000))
def test_the_order_of_users_changes_nothing_but_rounding(order, seed):
    rng = np.random.default_rng(seed)
    ranks = rng.integers(1, 30, 60).astype(float)
    partitions = np.repeat(np.arange(6), 10)
    shuffled = rng.permutation(60)
    one = client_figures(ranks, partitions)["NDCG@10"]
    two = client_figures(ranks[shuffled], partitions[shuffled])["NDCG@10"]
    assert {k: v for k, v in one.items() if k != "far_out"} == pytest.approx(
        {k: v for k, v in two.items() if k != "far_out"}
    )
    # Other names for the clients change the names only.
    three = client_figures(ranks, np.array(order)[partitions])["NDCG@10"]
    assert three["median"] == pytest.approx(one["median"])
