import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrec.data.sequences import Sequences
from fedrec.data.splits import history, targets, training_counts, training_part
from fedrec.errors import DataError


def three_users():  # 1 2 3 | 4 5 6 7 | 2 2 2
    return Sequences(
        np.array([1, 2, 3, 4, 5, 6, 7, 2, 2, 2], dtype=np.int32),
        np.array([0, 3, 7, 10], dtype=np.int64),
    )


def test_the_last_item_tests_and_the_one_before_validates():
    assert targets(three_users(), "test").tolist() == [3, 7, 2]
    assert targets(three_users(), "validation").tolist() == [2, 6, 2]


def test_the_test_history_includes_the_validation_item():
    assert history(three_users(), 1, "validation").tolist() == [4, 5]
    assert history(three_users(), 1, "test").tolist() == [4, 5, 6]


def test_training_counts_leave_the_held_out_events_out():
    # training parts: 1 | 4 5 | 2
    assert training_counts(three_users(), 8).tolist() == [0, 1, 1, 0, 1, 1, 0, 0, 0]


lengths = st.lists(st.integers(3, 7), min_size=1, max_size=6)


@given(lengths)
def test_no_target_nor_anything_after_it_is_in_the_training_part(sizes):
    # Items are numbered by their place in the whole, so each event can be told from all others.
    items = np.arange(1, sum(sizes) + 1, dtype=np.int32)
    whole = Sequences(items, np.cumsum([0, *sizes]).astype(np.int64))
    training = training_part(whole)
    assert training.num_users == len(sizes)
    for user in range(len(sizes)):
        mine = whole.of(user).tolist()
        validation, test = targets(whole, "validation")[user], targets(whole, "test")[user]
        assert [*training.of(user).tolist(), validation, test] == mine
        assert history(whole, user, "validation").tolist() == training.of(user).tolist()
        assert [*history(whole, user, "test").tolist(), test] == mine


def test_a_user_with_two_events_cannot_be_split():
    short = Sequences(np.array([1, 2], dtype=np.int32), np.array([0, 2], dtype=np.int64))
    with pytest.raises(DataError, match=r"user 0 has 2 events.*data\.min-user-events"):
        training_part(short)
    with pytest.raises(DataError, match="user 0 has 2 events"):
        targets(short, "test")
