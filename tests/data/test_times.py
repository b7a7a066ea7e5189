import numpy as np
import pytest

from fedrec.data.sequences import Sequences
from fedrec.data.splits import times_until
from fedrec.data.times import pad_times, times_around
from fedrec.errors import DataError
from fedrec.training.batches import collate


def test_times_around_some_events_by_hand():
    times = np.array([10, 20, 30, 40, 50])
    assert times_around(times, 1, 2).tolist() == [10, 20, 30, 40]
    assert times_around(times, 0, 2).tolist() == [10, 10, 20, 30]  # the first follows none
    assert times_around(times, 4, 0).tolist() == [40, 50]
    assert times_around(1000 * times + 10**12, 0, 1).tolist() == [
        10**9 + 10,
        10**9 + 10,
        10**9 + 20,
    ]
    padded = pad_times([np.array([1, 2, 3]), np.array([4, 5, 6, 7])])
    assert padded.tolist() == [[1, 2, 3, 3], [4, 5, 6, 7]]


def test_a_number_of_12_digits_counts_milliseconds_and_a_smaller_one_seconds():
    times = np.array([10**11 - 1, 10**11, 10**11 + 1000])
    assert times_around(times, 0, 1).tolist() == [10**11 - 1, 10**11 - 1, 10**8]
    assert times_around(times, 1, 1).tolist() == [10**11 - 1, 10**8, 10**8 + 1]


def test_a_batch_brings_the_times_of_its_windows():
    items = np.arange(1, 9, dtype=np.int32)
    data = Sequences(items, np.array([0, 5, 8]), np.array([1, 2, 4, 8, 16, 100, 200, 300]))
    batch = collate(data, np.array([1, 0]), max_length=3, windows=0, with_times=True)
    assert batch.items.tolist() == [[6, 7, 0], [2, 3, 4], [1, 0, 0]]
    assert batch.times.tolist() == [
        [100, 100, 200, 300, 300],
        [1, 2, 4, 8, 16],
        [1, 1, 2, 2, 2],
    ]
    assert collate(data, np.array([1, 0]), 3).times is None
    assert times_until(data, 0, "validation").tolist() == [1, 2, 4, 8]
    assert times_until(data, 0, "test").tolist() == [1, 2, 4, 8, 16]


def test_data_without_times_are_refused_in_a_line():
    data = Sequences(np.array([1, 2, 3], dtype=np.int32), np.array([0, 3]))
    with pytest.raises(DataError, match=r"only an order; set model\.time = ''"):
        collate(data, np.array([0]), 3, with_times=True)
