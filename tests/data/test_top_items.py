"""`data.top-items`: the most frequent items, by training events alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.data.catalog import Catalog
from fedrec.data.interactions import Prepared
from fedrec.data.preparation.store import open_dataset, prepare
from fedrec.data.sequences import Sequences
from fedrec.data.splits import training_counts
from fedrec.data.top_items import keep_top_items
from fedrec.errors import ConfigError, DataError


def prepared(rows: list[list[int]], num_items: int) -> Prepared:
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    items = np.array([item for row in rows for item in row], dtype=np.int32)
    ids = [f"i{item}" for item in range(1, num_items + 1)]
    blank = [""] * num_items
    catalog = Catalog(ids, blank, [()] * num_items, [None] * num_items, blank)
    users = [f"u{user}" for user in range(len(rows))]
    sequences = Sequences(items, offsets, np.arange(len(items)))
    return Prepared(sequences, catalog, users, {"age": [user[1:] for user in users]}, {})


def test_items_are_counted_in_training_parts_alone():
    # Item 3 has the most events, but in test and validation; 1 and 2 have two training events.
    rows = [[1, 2, 4, 1, 3, 3], [2, 1, 4, 3, 3], [4, 2, 2, 1, 3]]
    found, record = keep_top_items(prepared(rows, 4), 2, min_user_events=3)
    assert found.catalog.item_ids == ["i1", "i2"]
    assert found.sequences.items.tolist() == [1, 2, 1, 2, 2, 1]  # user 1 keeps two events only
    assert found.user_ids == ["u0", "u2"]
    assert found.attributes == {"age": ["0", "2"]}
    assert found.sequences.times.tolist() == [0, 1, 3, 12, 13, 14]
    assert record["settled"]
    assert found.skipped == {
        "items beyond data.top-items": 2,
        "events of items beyond data.top-items": 8,
        "users with fewer than 3 events of data.top-items": 1,
        "events of users with fewer than 3 events of data.top-items": 2,
    }


def test_what_the_choice_itself_holds_out_is_not_counted():
    # Training events at first: 3 of item 1, 3 of item 2, 2 of item 3. But where 1 and 2 are all
    # there is, two events of item 2 are held out of the first user, and item 3 has more than it.
    rows = [[1, 1, 2, 2, 2, 4, 5], [3, 3, 1, 1, 1]]
    found, record = keep_top_items(prepared(rows, 5), 2, min_user_events=3)
    assert found.catalog.item_ids == ["i1", "i3"]
    assert record == {"items": 2, "passes": 3, "settled": True}


def test_a_user_who_would_be_dropped_counts_for_nothing():
    # At first 2 of item 1, 3 of item 2, 2 of item 3; then one of item 2. The second user has two
    # events of items 1 and 2: too few, so that the two of item 3 before them count no more.
    rows = [[1, 1, 2, 2, 2, 4, 5], [3, 3, 1, 1]]
    found, _ = keep_top_items(prepared(rows, 5), 2, min_user_events=3)
    assert found.catalog.item_ids == ["i1", "i2"]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(1, 8), min_size=3, max_size=12), min_size=2, max_size=9),
    top=st.integers(2, 8),
)
def test_kept_items_are_the_most_frequent_before_what_is_held_out(rows, top):
    try:
        found, record = keep_top_items(prepared(rows, 8), top, min_user_events=3)
    except DataError:
        return
    assert found.catalog.num_items == top
    kept = [int(name[1:]) for name in found.catalog.item_ids]
    counts = np.zeros(9, dtype=int)
    own = np.zeros(top + 1, dtype=int)
    for row in rows:  # the obvious loop
        left = [place for place, item in enumerate(row) if item in kept]
        if len(left) >= 3:
            for item in row[: left[-2]]:
                counts[item] += 1
    if record["settled"]:
        least = min(counts[item] for item in kept)
        assert all(counts[item] <= least for item in range(1, 9) if item not in kept)
    own[1:] = counts[kept]
    np.testing.assert_array_equal(training_counts(found.sequences, top), own)


def test_all_items_are_no_choice():
    before = prepared([[1, 2, 3, 1]], 3)
    found, record = keep_top_items(before, 3, min_user_events=3)
    np.testing.assert_array_equal(found.sequences.items, before.sequences.items)
    assert record == {"items": 3, "passes": 1, "settled": True}
    assert found.skipped == {}


def test_more_items_than_there_are_and_no_user_left_are_refused():
    with pytest.raises(ConfigError, match=r"data.top-items is 4, but there are 3 items"):
        keep_top_items(prepared([[1, 2, 3, 1]], 3), 4, min_user_events=3)
    with pytest.raises(DataError, match=r"none of 1 users has 3 or more .*; raise data.top-items"):
        keep_top_items(prepared([[1, 2, 3, 4]], 4), 2, min_user_events=3)


def test_a_prepared_folder_says_what_was_chosen_and_refuses_another_choice(tmp_path):
    options = {"home": tmp_path, "seed": 0, "min_item_events": 1}
    folder = prepare("synthetic:users=40,items=60", top_items=20, **options)
    facts = open_dataset(folder).manifest["facts"]
    assert facts["top_items"]["items"] == 20
    assert folder != prepare("synthetic:users=40,items=60", **options)
    assert (
        prepare(str(folder), top_items=20, **options) == folder == prepare(str(folder), **options)
    )
    with pytest.raises(ConfigError, match=r"data.top-items is 30, but .* was prepared with 20"):
        prepare(str(folder), top_items=30, **options)


def test_joined_sources_have_no_top_items(tmp_path):
    source = "synthetic:users=40,items=60 + synthetic:users=50,items=60"
    with pytest.raises(ConfigError, match=r"must be 0 where data.source joins 2 sources"):
        prepare(source, home=tmp_path, seed=0, top_items=20)
