import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fedrec.data.sequences import Sequences
from fedrec.training.batches import (
    GROUP_COST,
    collate,
    epoch_order,
    num_targets,
    pad_rows,
    rows_alike,
    trainable_users,
)


def sequences(*lengths: int) -> Sequences:
    """Users whose items are 100 times their number plus 1, 2, 3, ..."""
    rows = [100 * user + np.arange(1, length + 1) for user, length in enumerate(lengths)]
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    return Sequences(np.concatenate(rows).astype(np.int32), offsets)


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=120), st.integers(1, 9), st.integers(0, 99)
)
def test_every_trainable_user_comes_exactly_once(lengths, batch_size, seed):
    users, stream = np.arange(len(lengths)), np.random.default_rng(seed)
    at_random = seed % 2 == 0
    order = epoch_order(sequences(*lengths), users, batch_size, stream, at_random=at_random)
    came = np.concatenate(order) if order else np.array([], dtype=int)
    assert sorted(came) == [user for user in users if lengths[user] >= 2]
    assert all(1 <= len(batch) <= batch_size for batch in order)


def test_only_the_users_given_come():
    order = epoch_order(sequences(5, 5, 5, 5), np.array([1, 3]), 8, np.random.default_rng(0))
    assert [sorted(batch) for batch in order] == [[1, 3]]


def test_users_of_a_batch_are_alike_in_length():
    lengths = np.random.default_rng(0).integers(2, 100, size=64)
    order = epoch_order(sequences(*lengths), np.arange(64), 8, np.random.default_rng(1))
    spans = sorted((lengths[batch].min(), lengths[batch].max()) for batch in order)
    # One pool of 64 users, sorted and cut: no batch reaches into the next one.
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


def test_random_batches_are_random_whatever_the_lengths():
    def walk(lengths):
        data, stream = sequences(*lengths), np.random.default_rng(1)
        return epoch_order(data, np.arange(64), 8, stream, at_random=True)

    # The same walk over users who are all alike: lengths have no say.
    order = walk(np.random.default_rng(0).integers(2, 100, size=64))
    assert [batch.tolist() for batch in order] == [batch.tolist() for batch in walk([5] * 64)]


@given(st.lists(st.integers(1, 200), min_size=1, max_size=40))
def test_groups_of_rows_hold_each_row_once_and_cost_no_more_than_one_group(lengths):
    lengths = np.array(lengths)
    groups = rows_alike(lengths)
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(lengths)))
    # Groups follow one another in length, so that padding is as little as can be.
    spans = [(lengths[rows].min(), lengths[rows].max()) for rows in groups]
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    cost = sum(lengths[rows].max() * len(rows) + GROUP_COST for rows in groups)
    assert cost <= lengths.max() * len(lengths) + GROUP_COST


def test_groups_of_rows_by_hand():
    # One group of 11 * 100 costs 1,400; a short one and a long one 10 * 10 + 100 + 600 = 800.
    lengths = np.array([10] * 4 + [100] + [10] * 6)
    assert [rows.tolist() for rows in rows_alike(lengths)] == [
        [0, 1, 2, 3, 5, 6, 7, 8, 9, 10],
        [4],
    ]
    assert [rows.tolist() for rows in rows_alike(np.array([10, 30]))] == [[0, 1]]


def test_another_stream_gives_another_order():
    data, users = sequences(*[5] * 40), np.arange(40)
    one, other = (
        np.concatenate(epoch_order(data, users, 4, np.random.default_rng(seed))) for seed in (0, 1)
    )
    assert not np.array_equal(one, other)


def test_collate_by_hand():
    batch = collate(sequences(3, 5), np.array([1, 0]), max_length=10)
    assert batch.items.tolist() == [[101, 102, 103, 104], [1, 2, 0, 0]]
    assert batch.targets.tolist() == [[102, 103, 104, 105], [2, 3, 0, 0]]
    assert batch.lengths.tolist() == [4, 2]
    assert batch.num_targets == 6


def test_a_long_history_keeps_its_last_steps():
    batch = collate(sequences(5), np.array([0]), max_length=2)
    assert batch.items.tolist() == [[3, 4]]
    assert batch.targets.tolist() == [[4, 5]]


def test_a_batch_is_a_copy_of_the_data():
    data = sequences(3)
    data.items.setflags(write=False)  # as when memory-mapped
    batch = collate(data, np.array([0]), 10)
    batch.items[:] = 7
    assert data.items.tolist() == [1, 2, 3]


def test_num_targets_counts_what_collate_gives():
    data, users = sequences(1, 2, 9, 4), np.arange(4)
    # 0 of the first user, 1, then 8 cut to 5, then 3
    assert num_targets(data, users, max_length=5).sum() == 9
    batch = collate(data, trainable_users(data, users), 5)
    assert batch.num_targets == 9


def test_no_row_of_a_batch_is_all_padding():
    order = epoch_order(sequences(1, 1, 2, 3), np.arange(4), 2, np.random.default_rng(0))
    for users in order:
        assert (collate(sequences(1, 1, 2, 3), users, 10).lengths >= 1).all()


def test_pad_rows_pads_on_the_right_with_zero():
    padded = pad_rows([np.array([1, 2]), np.array([3, 4, 5])])
    assert padded["items"].tolist() == [[1, 0], [3, 4]]
    assert padded["targets"].tolist() == [[2, 0], [4, 5]]
