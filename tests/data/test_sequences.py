import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrec.data.sequences import Sequences
from fedrec.errors import DataError


def sequences_of(*users, times=None):
    flat = [item for user in users for item in user]
    offsets = np.cumsum([0, *map(len, users)]).astype(np.int64)
    return Sequences(np.array(flat, dtype=np.int32), offsets, times)


def test_a_user_owns_the_items_between_two_offsets():
    sequences = sequences_of([5, 6], [7], [8, 9, 5])
    assert sequences.of(2).tolist() == [8, 9, 5]
    assert sequences.lengths().tolist() == [2, 1, 3]
    assert (sequences.num_users, sequences.num_events) == (3, 6)


def test_a_user_that_does_not_exist_is_refused():
    with pytest.raises(IndexError, match=r"user 3 is not one of 0\.\.2"):
        sequences_of([5, 6], [7], [8]).of(3)


def test_a_subset_copies_items_and_times_in_the_order_given():
    sequences = sequences_of([5, 6], [7], [8, 9], times=np.array([1, 2, 3, 4, 5]))
    chosen = sequences.subset(np.array([2, 0]))
    assert chosen.items.tolist() == [8, 9, 5, 6]
    assert chosen.times.tolist() == [4, 5, 1, 2]
    chosen.items[0] = 1
    assert sequences.of(2).tolist() == [8, 9]


@given(st.lists(st.lists(st.integers(1, 9), max_size=5), min_size=1, max_size=8), st.data())
def test_a_subset_equals_the_users_taken_one_by_one(users, data):
    sequences = sequences_of(*users)
    chosen = data.draw(st.lists(st.integers(0, len(users) - 1), max_size=6))
    subset = sequences.subset(np.array(chosen, dtype=np.int64))
    assert [subset.of(i).tolist() for i in range(len(chosen))] == [users[u] for u in chosen]


@pytest.mark.parametrize(
    ("offsets", "message"),
    [([0, 2], "from 0 to 3"), ([1, 3], "from 0 to 3"), ([0, 3, 2, 3], "never fall")],
)
def test_offsets_that_do_not_fit_are_refused(offsets, message):
    with pytest.raises(DataError, match=message):
        Sequences(np.array([1, 2, 3], dtype=np.int32), np.array(offsets, dtype=np.int64))


def test_another_dtype_is_refused():
    with pytest.raises(DataError, match="int32"):
        Sequences(np.array([1, 2, 3]), np.array([0, 3]))


def test_as_many_times_as_items():
    with pytest.raises(DataError, match="2 items but 1 times"):
        sequences_of([1, 2], times=np.array([1]))
