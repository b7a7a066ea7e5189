"""Who is evaluated: a seeded sample of users, or users whom no training has seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.data.evaluated import evaluated_users
from fedrec.errors import ConfigError
from fedrec.evaluation.protocols import describe, metric_label


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 9), sample=st.integers(1, 40), unseen=st.sampled_from([0.0, 0.4]))
def test_a_sample_has_its_size_and_smaller_ones_are_among_larger_ones(seed, sample, unseen):
    def drawn(count, stage):
        return evaluated_users(100, stage, seed=seed, unseen=unseen, sample=count)

    for stage in ("validation", "test"):
        mask = drawn(sample, stage)
        assert mask.sum() == sample
        np.testing.assert_array_equal(mask, drawn(sample, stage))
        assert not (mask & ~drawn(40, stage)).any()
        assert not (mask & ~drawn(0, stage)).any()
    if not unseen:
        np.testing.assert_array_equal(drawn(sample, "test"), drawn(sample, "validation"))


def test_unseen_users_of_validation_and_test_are_others():
    masks = [evaluated_users(100, stage, seed=1, unseen=0.15) for stage in ("validation", "test")]
    assert [mask.sum() for mask in masks] == [15, 15]
    assert not (masks[0] & masks[1]).any()
    others = evaluated_users(100, "test", seed=2, unseen=0.15)
    assert not np.array_equal(masks[1], others)


def test_everybody_is_evaluated_by_default():
    assert evaluated_users(7, "test", seed=0).all()


def test_more_users_than_there_are_and_a_share_of_none_are_refused():
    with pytest.raises(ConfigError, match=r"evaluation.users is 9, but 7 users are evaluated"):
        evaluated_users(7, "test", seed=0, sample=9)
    with pytest.raises(ConfigError, match=r"unseen-users is 0.01, which is 0 of 7 users each"):
        evaluated_users(7, "test", seed=0, unseen=0.01)
    with pytest.raises(ConfigError, match=r"some must be left to train on"):
        evaluated_users(2, "test", seed=0, unseen=0.49)


def test_every_figure_says_that_it_is_a_sample():
    assert metric_label("NDCG@10", "full+500-users") == "NDCG@10 (500 users)"
    assert metric_label("HR@1", "candidates-20+500-users") == "HR@1 (19 sampled, 500 users)"
    shown = metric_label("HR@1", "uniform-99+20-users+query-time")
    assert shown == "HR@1 (99 sampled, 20 users, query time known)"
    assert "A sample of 1,500 users is evaluated" in describe("full+1500-users", 60)
    assert "sample of" not in describe("full", 60)
