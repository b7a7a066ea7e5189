"""Two runs on the same users: the difference that is left when users are paired."""

import numpy as np
import pytest

from fedrec.errors import EvaluationError
from fedrec.evaluation.paired import paired_difference


def test_means_difference_and_ratio_by_hand():
    found = paired_difference(np.array([1.0, 0.5, 0.0]), np.array([0.5, 0.5, 0.5]), seed=0)
    assert (found["users"], found["a"], found["b"]) == (3, 0.5, 0.5)
    assert found["difference"]["value"] == 0.0
    assert found["ratio"]["value"] == 1.0
    assert found["difference"]["low"] < 0 < found["difference"]["high"]


def test_what_differs_alike_for_every_user_has_no_spread():
    easy = np.random.default_rng(0).random(200)
    found = paired_difference(easy + 0.25, easy, seed=1)
    assert [found["difference"][k] for k in ("value", "low", "high")] == pytest.approx([0.25] * 3)
    doubled = paired_difference(2 * easy, easy, seed=1)
    assert [doubled["ratio"][k] for k in ("value", "low", "high")] == pytest.approx([2.0] * 3)


def test_there_is_no_ratio_to_what_may_be_nothing():
    assert paired_difference(np.array([1.0, 0.0]), np.array([0.0, 1.0]), seed=0)["ratio"] is None
    assert paired_difference(np.ones(2), np.zeros(2), seed=0)["ratio"] is None


def test_other_numbers_of_users_are_refused():
    with pytest.raises(EvaluationError, match="same users, got 2 and 3"):
        paired_difference(np.ones(2), np.ones(3), seed=0)
