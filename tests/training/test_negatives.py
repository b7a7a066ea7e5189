"""Training negatives: distinct, outside the training history, and honest about held-out items."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import leaky_negatives
from experiments.leaky_negatives import counting_scorer_ranks
from fedrec.data.sequences import Sequences, history_mask
from fedrec.errors import ConfigError
from fedrec.evaluation.metrics import auc, hr
from fedrec.randomness import generator
from fedrec.training.negatives import sampled_negatives, shared_negatives


def assert_at_chance(ranks):
    """100 candidates: HR@10 is .1 and AUC .5, up to four standard errors."""
    users = len(ranks)
    assert abs(hr(ranks, 10).mean() - 0.1) < 4 * np.sqrt(0.1 * 0.9 / users)
    assert abs(auc(ranks, 100).mean() - 0.5) < 4 * np.sqrt(1 / 12 / users)


@pytest.fixture(scope="module")
def small():
    """400 users with 12 distinct items of 200 each, without any structure."""
    rng = np.random.default_rng(3)
    items = np.concatenate([rng.choice(200, 12, replace=False) + 1 for _ in range(400)])
    return Sequences(items.astype(np.int32), np.arange(0, 4801, 12, dtype=np.int64))


def test_a_scorer_that_counts_negatives_is_at_chance(small):
    assert_at_chance(counting_scorer_ranks(small, 200, "honest"))


def test_a_pool_without_held_out_items_would_give_the_counting_scorer_the_answer(small):
    ranks = counting_scorer_ranks(small, 200, "leaky")
    assert hr(ranks, 10).mean() > 0.99
    with pytest.raises(AssertionError):
        assert_at_chance(ranks)


@pytest.mark.slow
@pytest.mark.skipif("FEDREC_DATA" not in os.environ, reason="FEDREC_DATA names no data folder")
def test_a_scorer_that_counts_negatives_is_at_chance_on_ml_100k(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path))
    source = Path(os.environ["FEDREC_DATA"]) / "ml-100k.zip"
    ranks = leaky_negatives.of_source(str(source), rounds=100)
    assert len(ranks["honest"]) == 943
    assert_at_chance(ranks["honest"])
    assert hr(ranks["leaky"], 10).mean() > 0.9


def test_the_exhibit_names_what_is_no_result(capsys, small, monkeypatch):
    monkeypatch.setattr(
        leaky_negatives,
        "of_source",
        lambda source, rounds: {
            pool: counting_scorer_ranks(small, 200, pool, rounds=rounds)
            for pool in leaky_negatives.POOLS
        },
    )
    leaky_negatives.show("anything", rounds=30)
    heading, honest, leaky = capsys.readouterr().out.splitlines()
    assert heading.startswith("A scorer that learns nothing and counts its negatives")
    assert re.match(r"honest pool +HR@10 \(99 sampled\) 0\.(0[7-9]|1[0-3])", honest)
    assert leaky.startswith("no result, leaky")
    assert "HR@10 (99 sampled) 1.0000" in leaky


@given(st.integers(1, 60), st.data())
def test_shared_negatives_are_distinct_items_of_the_catalogue(num_items, data):
    count = data.draw(st.integers(1, num_items))
    drawn = shared_negatives(7, 2, 5, num_items, count)
    assert drawn.dtype == np.int64
    assert len(set(drawn.tolist())) == count
    assert drawn.min() >= 1
    assert drawn.max() <= num_items


def test_shared_negatives_follow_from_seed_round_and_step():
    first = shared_negatives(1, 2, 3, 1000, 20)
    np.testing.assert_array_equal(first, shared_negatives(1, 2, 3, 1000, 20))
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert np.any(first != shared_negatives(*other, 1000, 20))


def test_shared_negatives_draw_every_item_alike():
    counts = np.zeros(21)
    for step in range(2000):
        counts[shared_negatives(0, 1, step, 20, 5)] += 1
    # each item is in a draw with probability 1/4: 500 of 2000, standard deviation 19.4
    assert np.all(np.abs(counts[1:] - 500) < 5 * 19.4)


def test_more_shared_negatives_than_items_are_refused():
    with pytest.raises(ConfigError, match=r"loss\.negatives is 41.* 1 to 40"):
        shared_negatives(0, 1, 1, 40, 41)
    with pytest.raises(ConfigError, match=r"loss\.negatives is 0"):
        shared_negatives(0, 1, 1, 40, 0)


def test_history_mask_marks_items_and_never_padding():
    mask = history_mask([np.array([0, 0, 2]), np.array([], dtype=np.int32), np.array([3, 1, 3])], 3)
    np.testing.assert_array_equal(mask, [[0, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 1]])
    assert history_mask([], 3).shape == (0, 4)


@given(st.integers(2, 30), st.integers(1, 4), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_sampled_negatives_are_outside_the_training_history(num_items, users, seed, share):
    rng = np.random.default_rng(seed)
    seen = rng.random((users, num_items + 1)) < share
    seen[np.arange(users), rng.integers(1, num_items + 1, users)] = False  # one item is left
    drawn = sampled_negatives(rng, seen, 5, 3)
    assert drawn.shape == (users, 5, 3)
    assert drawn.min() >= 1
    assert drawn.max() <= num_items
    assert not np.take_along_axis(seen, drawn.reshape(users, -1), axis=1).any()


def test_sampled_negatives_are_uniform_over_the_unseen_items():
    # 8 of 10 items seen: many draws are rejected to the end and come from the exact pool
    seen = history_mask([np.arange(1, 9)], 10)
    drawn = sampled_negatives(generator(0, "test"), seen, 100, 100)
    share = (drawn == 9).mean()
    assert set(np.unique(drawn)) == {9, 10}
    assert abs(share - 0.5) < 4 * np.sqrt(0.25 / drawn.size)


def test_a_user_who_saw_all_but_one_item_gets_that_item():
    seen = history_mask([np.arange(2, 5001)], 5000)
    np.testing.assert_array_equal(np.unique(sampled_negatives(generator(0), seen, 4, 4)), [1])


def test_a_user_who_saw_the_whole_catalogue_is_refused():
    seen = history_mask([np.arange(1, 6), np.array([1])], 5)
    with pytest.raises(ConfigError, match="1 of 2 users have all 5 items"):
        sampled_negatives(generator(0), seen, 1, 1)
    with pytest.raises(ConfigError, match=r"loss\.negatives must be 1 or more, got 0"):
        sampled_negatives(generator(0), seen[1:], 1, 0)
