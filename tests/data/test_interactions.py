import numpy as np
import pytest

from fedrec.data.catalog import Catalog
from fedrec.data.interactions import (
    Interactions,
    checked_times,
    drop_exact_duplicates,
    to_sequences,
)
from fedrec.errors import ConfigError, DataError


def interactions_of(events, *, num_users, num_items, timed=True, ratings=None):
    """Events are (user, item, time), 0-based."""
    ids = [f"i{item}" for item in range(num_items)]
    blank = [""] * num_items
    users, items, times = np.array(events).T
    return Interactions(
        [f"u{user}" for user in range(num_users)],
        ids,
        users.astype(np.int32),
        items.astype(np.int32),
        times.astype(np.int64) if timed else None,
        ratings,
        Catalog(ids, ids, [()] * num_items, [None] * num_items, blank),
        {"gender": ["F", "M", "F", "M"][:num_users]},
    )


def test_equal_timestamps_keep_the_order_of_the_file():
    events = [(0, 2, 5), (0, 1, 5), (0, 0, 5), (0, 1, 4)]
    prepared = to_sequences(interactions_of(events, num_users=1, num_items=3), min_item_events=1)
    assert prepared.sequences.items.tolist() == [2, 3, 2, 1]
    assert prepared.sequences.times.tolist() == [4, 5, 5, 5]


def test_unsorted_events_are_put_in_time_order_per_user():
    events = [(1, 0, 9), (0, 0, 3), (1, 1, 1), (0, 1, 1), (0, 0, 2), (1, 1, 4)]
    prepared = to_sequences(interactions_of(events, num_users=2, num_items=2), min_item_events=1)
    assert prepared.sequences.of(0).tolist() == [2, 1, 1]
    assert prepared.sequences.of(1).tolist() == [2, 2, 1]


def test_the_same_item_again_is_kept():
    events = [(0, 0, 1), (0, 0, 2), (0, 0, 3), (0, 1, 4)]
    prepared = to_sequences(interactions_of(events, num_users=1, num_items=2), min_item_events=1)
    assert prepared.sequences.items.tolist() == [1, 1, 1, 2]
    assert prepared.skipped == {}


def test_without_times_file_order_is_time_order():
    events = [(1, 1, 0), (0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 0), (1, 1, 0)]
    data = interactions_of(events, num_users=2, num_items=2, timed=False)
    sequences = to_sequences(data, min_item_events=1).sequences
    assert sequences.times is None
    assert [sequences.of(0).tolist(), sequences.of(1).tolist()] == [[1, 2, 1], [2, 1, 2]]


def test_rare_items_go_first_then_short_users_and_both_are_counted():
    # Item 1 has one event; without it user 1 has two events, too few.
    events = [(0, 0, 1), (0, 2, 2), (0, 0, 3), (1, 0, 1), (1, 1, 2), (1, 2, 3)]
    prepared = to_sequences(interactions_of(events, num_users=2, num_items=3), min_item_events=2)
    assert prepared.user_ids == ["u0"]
    assert prepared.attributes == {"gender": ["F"]}
    assert prepared.catalog.item_ids == ["i0", "i2"]
    assert prepared.sequences.items.tolist() == [1, 2, 1]
    assert prepared.skipped == {
        "items with fewer than 2 events": 1,
        "events of items with fewer than 2 events": 1,
        "users with fewer than 3 events": 1,
        "events of users with fewer than 3 events": 2,
    }


def test_items_without_events_stay_when_no_events_are_asked_for():
    events = [(0, 0, 1), (0, 0, 2), (0, 0, 3)]
    prepared = to_sequences(interactions_of(events, num_users=1, num_items=2), min_item_events=0)
    assert prepared.catalog.item_ids == ["i0", "i1"]


def test_every_user_dropped_is_refused():
    events = [(0, 0, 1), (0, 1, 2), (1, 0, 1), (1, 1, 2)]
    with pytest.raises(DataError, match=r"none of 2 users.*data\.min-item-events"):
        to_sequences(interactions_of(events, num_users=2, num_items=2), min_item_events=1)


def test_a_catalogue_of_one_item_is_refused():
    events = [(0, 0, 1), (0, 0, 2), (0, 0, 3)]
    with pytest.raises(DataError, match=r"1 of 1 items.*at least 2"):
        to_sequences(interactions_of(events, num_users=1, num_items=1), min_item_events=1)


@pytest.mark.parametrize(
    ("options", "key"),
    [({"min_user_events": 2}, "min-user-events"), ({"min_item_events": -1}, "min-item-events")],
)
def test_thresholds_that_cannot_be_are_refused(options, key):
    events = [(0, 0, 1), (0, 1, 2), (0, 0, 3)]
    with pytest.raises(ConfigError, match=f"data.{key}"):
        to_sequences(interactions_of(events, num_users=1, num_items=2), **options)


def test_exact_duplicates_are_dropped_and_counted():
    events = [(0, 0, 1), (0, 1, 1), (0, 0, 1), (0, 0, 2), (1, 0, 1)]
    kept = drop_exact_duplicates(interactions_of(events, num_users=2, num_items=2))
    assert kept.items.tolist() == [0, 1, 0, 0]
    assert kept.times.tolist() == [1, 1, 2, 1]
    assert kept.skipped == {"exact duplicate events": 1}


def test_another_rating_makes_another_event():
    ratings = np.array([1, 2, 2], dtype=np.float32)
    events = [(0, 0, 1), (0, 0, 1), (0, 0, 1)]
    data = interactions_of(events, num_users=1, num_items=1, ratings=ratings)
    assert drop_exact_duplicates(data).ratings.tolist() == [1, 2]


def test_without_times_a_repeat_is_no_duplicate():
    events = [(0, 0, 0), (0, 0, 0)]
    data = interactions_of(events, num_users=1, num_items=1, timed=False)
    assert drop_exact_duplicates(data) is data


def place(row):
    return f"f.csv, line {row + 2}"


def test_a_negative_timestamp_names_its_line():
    with pytest.raises(DataError, match=r"f\.csv, line 3: timestamp -5 is negative"):
        checked_times(np.array([1, -5, 3]), place)


def test_seconds_mixed_with_milliseconds_name_the_line():
    with pytest.raises(DataError, match=r"f\.csv, line 4: timestamp 978300760000 .*milliseconds"):
        checked_times(np.array([978300760, 978300761, 978300760000]), place)


@pytest.mark.parametrize(
    "times",
    [[1, 2, 3], [978300760000, 978300761000], [0, 978300760], [0, 10**11 - 1], [10**11, 10**12]],
)
def test_one_unit_is_fine(times):
    assert checked_times(np.array(times), place).tolist() == times


def test_the_first_number_that_counts_milliseconds_is_10_to_the_11():
    with pytest.raises(DataError, match=r"f\.csv, line 3: timestamp 100000000000 .*milliseconds"):
        checked_times(np.array([10**11 - 1, 10**11]), place)


def test_positions_outside_the_lists_are_refused():
    with pytest.raises(DataError, match=r"items of interactions must be positions 0\.\.0"):
        interactions_of([(0, 1, 1)], num_users=1, num_items=1)
