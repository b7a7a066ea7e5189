"""FPMC: a user's row and that of the newest item, each against rows of the next one."""

import numpy as np
import pytest
import torch

from fedrec.errors import ConfigError, DataError
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.models.fpmc import FPMC
from fedrec.models.parameters import groups_of
from fedrec.models.recommender import catalogue_of, score_next


@pytest.fixture
def model() -> FPMC:
    """Users 2 and 5 over items 1 and 2."""
    return FPMC(
        torch.tensor([[0.0, 0.0], [1.0, 2.0], [3.0, -1.0]]),
        torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
        torch.tensor([[9.0, 9.0], [10.0, 20.0], [30.0, 40.0]]),
        torch.tensor([[1.0, 1.0], [0.0, 2.0]]),
        np.array([2, 5]),
    )


def test_a_score_is_the_users_product_plus_the_transitions(model):
    score = model_scorer(model, num_items=2, max_length=3)
    found = score([np.array([1]), np.array([2, 1]), np.array([1, 2])], np.array([5, 2, 2])).scores
    # User 5 after 1: (0, 2).(1, 2) + (10, 20).(1, 0) and (0, 2).(3, -1) + (10, 20).(0, 1).
    # User 2 after 1: 3 + 10, 2 + 20; after 2: 3 + 30, 2 + 40. Older items say nothing.
    np.testing.assert_array_equal(found[:, 1:], [[14, 18], [13, 22], [33, 42]])


def test_before_the_first_event_the_user_alone_says_something(model):
    catalogue = catalogue_of(model, 2)
    table = catalogue.table
    states, _ = model.encode_for(np.array([2]), table, torch.tensor([[0, 1]]), torch.tensor([2]))
    torch.testing.assert_close(states[0], torch.tensor([[1.0, 1, 0, 0], [1, 1, 10, 20]]))


def test_rows_of_users_are_private_and_those_of_items_travel(model):
    groups = groups_of(model)
    assert groups.shared == ("rows", "next_rows", "last_rows")
    assert groups.private == ("user_rows",)


def test_whom_it_does_not_know_it_does_not_score(model):
    catalogue = catalogue_of(model, 2)
    items, lengths = torch.tensor([[1]]), torch.tensor([1])
    with pytest.raises(DataError, match="'fpmc' was asked for a user whose row is not here"):
        score_next(model, catalogue, items, lengths, np.array([3]))
    with pytest.raises(ConfigError, match="choose a model that reads sequences"):
        score_next(model, catalogue, items, lengths)
