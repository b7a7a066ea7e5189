"""What ``fedrec data check`` says of a file."""

import itertools

import pytest

from fedrec.data.preparation.check import check_data
from fedrec.data.preparation.thresholds import Thresholds
from fedrec.data.readers.tables import Columns
from fedrec.errors import DataError


def checked(path, home, least=1, columns=None):
    found = check_data(
        str(path),
        format="auto",
        columns=columns or Columns(),
        thresholds=Thresholds(least, 3, 0),
        home=home,
        seed=0,
    )
    return list(found)


def test_every_column_and_count_of_a_table_is_said(tmp_path):
    # Users a, b with three events each, c with one; items x (4 events), y (2), z (1).
    path = tmp_path / "shop.csv"
    path.write_text(
        "userId,product,day,name,stars,shop\n"
        "a,x,2024-01-01,X,5,1\na,y,2024-01-02,,3,1\na,x,2024-01-03,X,4,2\n"
        "b,x,2024-01-01,X,1,1\nb,y,2024-01-02,,2,1\nb,x,2024-01-09,X,3,1\nb,x,2024-01-09,X,3,1\n"
        "c,z,2024-02-01,Z,3,1\n"
    )
    lines = checked(path, tmp_path, columns=Columns(time="day", attributes=()))
    assert lines == [
        ("read as", "shop.csv: CSV with commas, 8 rows"),
        ("column", "user is 'userId' (found by its usual name)"),
        ("column", "item is 'product' (found by its usual name)"),
        ("column", "time is 'day'"),
        ("column", "rating is 'stars' (found by its usual name)"),
        ("column", "title is 'name' (found by its usual name)"),
        ("not read", "'shop'"),
        ("events", "7 of 3 users and 3 items"),
        ("repeats", "2 events are of an item that the user had before"),
        ("dates", "2024-01-01 00:00:00 to 2024-02-01 00:00:00 (UTC)"),
        ("ratings", "1 to 5"),
        ("missing", "1 of 3 items have no title"),
        ("repaired", "1 exact duplicate events"),
        ("dropped", "1 users with fewer than 3 events"),
        ("dropped", "1 events of users with fewer than 3 events"),
        ("thresholds", "data.min-item-events = 1, data.min-user-events = 3"),
        ("kept", "6 events of 2 users and 3 items"),
        ("events a user", "3 to 3, median 3"),
        # Two users times three items are six pairs; four of them have an event.
        ("sparsity", "33.3 % of the pairs of user and item have no event"),
    ]


def test_what_is_found_before_a_refusal_is_said(tmp_path):
    path = tmp_path / "shop.csv"
    path.write_text("user,item,time\na,x,1\n")
    lines = check_data(
        str(path),
        format="auto",
        columns=Columns(),
        thresholds=Thresholds(5, 3, 0),
        home=tmp_path,
        seed=0,
    )
    seen = [label for label, _ in itertools.islice(lines, 7)]
    with pytest.raises(DataError, match=r"0 of 1 items have 5 or more events"):
        next(lines)
    assert seen == ["read as", "column", "column", "column", "events", "dates", "missing"]


def test_data_that_name_no_columns_are_checked_too(tmp_path):
    lines = dict(checked("synthetic:users=30,items=60", tmp_path))
    assert lines["read as"] == "data of its own: synthetic"
    assert "the process that made the data is known" in lines["note"]
    assert list(tmp_path.iterdir()) == []  # nothing is written
