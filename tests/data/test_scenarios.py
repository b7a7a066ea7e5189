"""Scenarios: which events models see, by hand and as laws."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.data.scenarios import (
    cold_items,
    few_shot_items,
    training_view,
    view_mask,
)
from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError

NUM_ITEMS = 9


def sequences_of(rows, times=False):
    items = np.array([item for row in rows for item in row], dtype=np.int32)
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Sequences(items, offsets, np.arange(len(items)) * 10 if times else None)


def rows_of(sequences):
    return [sequences.of(user).tolist() for user in range(sequences.num_users)]


def marks(*items):
    found = np.zeros(NUM_ITEMS + 1, dtype=bool)
    found[list(items)] = True
    return found


def visible_of(sequences, *, cold=(), few_shot=(), events=1, keep=1.0, seed=0):
    return view_mask(
        sequences,
        cold=marks(*cold),
        few_shot=marks(*few_shot),
        few_shot_events=events,
        keep=keep,
        seed=seed,
    )


def test_cold_items_are_seen_nowhere_but_as_targets():
    whole = sequences_of([[1, 2, 3, 2, 4], [2, 2, 2, 5], [5, 6, 2]])
    seen = training_view(whole, visible_of(whole, cold=[2]), 0)
    # training parts: 1 2 3 | 2 2 | 5; before the test: 1 2 3 2 | 2 2 2 | 5 6
    assert rows_of(seen.training) == [[1, 3], [], [5]]
    assert rows_of(seen.before_test) == [[1, 3], [], [5, 6]]
    assert seen.before("validation") is seen.training


def test_a_few_shot_item_keeps_so_many_training_events_and_its_validation_events():
    whole = sequences_of([[1, 1, 3, 1, 4], [1, 2, 1, 5], [5, 6, 2]])
    seen = training_view(whole, visible_of(whole, few_shot=[1], events=2), 0)
    training = [item for row in rows_of(seen.training) for item in row]
    assert sorted(training) == [1, 1, 2, 3, 5]  # two of the three 1s
    kept = [len(row) for row in rows_of(seen.training)]
    assert [len(row) for row in rows_of(seen.before_test)] == [n + 1 for n in kept]


def test_short_histories_are_the_newest_events_before_each_target():
    whole = sequences_of([[1, 2, 3, 4, 5], [6, 7, 8]], times=True)
    seen = training_view(whole, visible_of(whole), 2)
    assert rows_of(seen.training) == [[2, 3], [6]]
    assert rows_of(seen.before_test) == [[3, 4], [6, 7]]
    assert seen.before_test.times.tolist() == [20, 30, 50, 60]  # times stay with their events


def test_short_histories_are_short_of_what_is_visible():
    whole = sequences_of([[1, 2, 9, 9, 4, 5]])
    seen = training_view(whole, visible_of(whole, cold=[9]), 2)
    assert rows_of(seen.training) == [[1, 2]]
    assert rows_of(seen.before_test) == [[2, 4]]


def test_thinning_keeps_a_rounded_share_and_two_events_at_least():
    rows = [list(range(1, 10)) + [1] * 13, [1, 2, 3, 4, 5], [1, 2, 3]]  # 20, 3 and 1 train
    whole = sequences_of(rows)
    lengths = training_view(whole, visible_of(whole, keep=0.25), 0).training.lengths()
    assert lengths.tolist() == [5, 2, 1]


def test_unseen_users_have_inputs_and_no_training_event():
    whole = sequences_of([[1, 2, 3, 4, 5], [6, 7, 8, 9], [1, 3, 2]], times=True)
    unseen = np.array([False, True, False])
    seen = training_view(whole, visible_of(whole), 2, unseen)
    assert rows_of(seen.training) == [[2, 3], [], [1]]
    assert rows_of(seen.before("validation")) == [[2, 3], [6, 7], [1]]
    assert rows_of(seen.before("test")) == [[3, 4], [7, 8], [1, 3]]


def test_shares_are_of_the_whole_catalogue_and_nested():
    few = cold_items(0.1, seed=3, num_items=100)
    more = cold_items(0.3, seed=3, num_items=100)
    assert (few.sum(), more.sum()) == (10, 30)
    assert not (few & ~more).any()
    assert not few[0]
    seldom = few_shot_items(0.6, cold=more, seed=3)
    assert seldom.sum() == 60
    assert not (seldom & more).any()


def test_a_share_that_is_no_item_is_refused():
    with pytest.raises(ConfigError, match=r"cold-items is 0\.01, which is none of 9 items"):
        cold_items(0.01, seed=0, num_items=NUM_ITEMS)


histories = st.lists(
    st.lists(st.integers(1, NUM_ITEMS), min_size=3, max_size=12), min_size=1, max_size=5
)
some_items = st.sets(st.integers(1, NUM_ITEMS), max_size=4)


@settings(max_examples=40, deadline=None)
@given(histories, some_items, some_items, st.integers(1, 3), st.sampled_from([0.1, 0.5, 1.0]))
def test_nothing_hidden_is_read_or_trained_on(rows, cold, few_shot, events, keep):
    whole = sequences_of(rows)
    visible = visible_of(whole, cold=cold, few_shot=few_shot, events=events, keep=keep)
    seen = training_view(whole, visible, 0)
    assert not set(seen.training.items.tolist()) & cold
    assert not set(seen.before_test.items.tolist()) & cold
    counts = np.bincount(seen.training.items, minlength=NUM_ITEMS + 1)
    assert all(counts[item] <= events for item in few_shot)
    for row, training, before in zip(
        rows, rows_of(seen.training), rows_of(seen.before_test), strict=True
    ):
        assert _is_part(training, row[:-2])
        assert before == training + [item for item in row[-2:-1] if item not in cold]


def _is_part(some, row):
    rest = iter(row)
    return all(item in rest for item in some)  # in this order


@settings(max_examples=40, deadline=None)
@given(histories, st.integers(0, 5))
def test_what_a_smaller_share_keeps_a_larger_one_keeps_too(rows, seed):
    whole = sequences_of(rows)
    shares = [visible_of(whole, keep=keep, seed=seed) for keep in (0.1, 0.25, 0.5, 1.0)]
    for smaller, larger in pairwise(shares):
        assert not (smaller & ~larger).any()


@settings(max_examples=40, deadline=None)
@given(histories, histories, some_items)
def test_what_a_user_keeps_does_not_depend_on_the_others(rows, others, cold):
    alone, among = sequences_of(rows), sequences_of([*rows, *others])
    mine = visible_of(alone, cold=cold, keep=0.3)
    np.testing.assert_array_equal(visible_of(among, cold=cold, keep=0.3)[: len(mine)], mine)
