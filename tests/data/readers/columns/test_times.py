"""Times of a user's own table: every digit counts, dates are dates, what is none is named."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest

from fedrec.data.domains import merge_domains
from fedrec.data.interactions import Interactions, fingerprint
from fedrec.data.preparation.store import Dataset
from fedrec.data.readers.columns.times import _exact, event_times
from fedrec.data.readers.tables import Columns, load_frame
from fedrec.data.times import times_around
from fedrec.errors import DataError

NOON = 1_704_110_400  # 2024-01-01T12:00:00Z
UTC = datetime.UTC


def frame_of(times, items="cab"):
    return pd.DataFrame({"user": "u", "item": list(items), "time": times})


def order_of(times, items="cab"):
    data = Dataset.from_frame(frame_of(times, items), min_item_events=1)
    return "".join(data.catalog.item_ids[item - 1] for item in data.sequences.of(0))


def seconds_of(times):
    found = event_times(pd.Series(times, name="time"), "row {}".format).times
    return times_around(found, 1, len(found) - 2).tolist()


FINER = {  # each a third, a first and a second event of one millisecond
    "ISO microseconds": [f"2024-01-01T12:00:00.00000{digit}" for digit in (3, 1, 2)],
    "ISO beyond nanoseconds": [f"2024-01-01T12:00:00.00000000000{digit}Z" for digit in (3, 1, 2)],
    "float seconds": [NOON + 3e-4, NOON + 1e-4, NOON + 2e-4],
    "text of seconds": [f"{NOON}.000000000{digit}" for digit in (3, 1, 2)],
    "decimals": [decimal.Decimal(f"{NOON}.000000000{digit}") for digit in (3, 1, 2)],
    "fractions of milliseconds": [NOON * 1000 + 0.75, NOON * 1000 + 0.25, NOON * 1000 + 0.5],
    "text of microseconds": [f"{NOON}000000.{digit}" for digit in (3, 1, 2)],
    "whole microseconds": [NOON * 10**6 + digit for digit in (3, 1, 2)],
    "whole nanoseconds": [NOON * 10**9 + digit for digit in (3, 1, 2)],
    "datetime64": np.array([3, 1, 2], dtype="datetime64[ns]"),
    "time zone": pd.to_datetime([3, 1, 2], utc=True).tz_convert("Asia/Tokyo"),
    "timestamps": pd.Series([pd.Timestamp(digit) for digit in (3, 1, 2)], dtype=object),
    "datetimes": pd.Series(
        [datetime.datetime(2024, 1, 1, microsecond=digit) for digit in (3, 1, 2)], dtype=object
    ),
    "small fractions": [0.3, 0.1, 0.2],
}


@pytest.mark.parametrize("times", FINER.values(), ids=FINER)
def test_events_of_one_millisecond_are_sorted_by_every_digit(times):
    assert order_of(times) == "abc"


@pytest.mark.parametrize("times", FINER.values(), ids=FINER)
def test_events_that_differ_below_a_millisecond_are_no_duplicates(times):
    assert len(load_frame(frame_of(times, items="aaa"), Columns()).users) == 3


@pytest.mark.parametrize("times", FINER.values(), ids=FINER)
def test_equal_events_are_duplicates_still(times):
    twice = pd.concat([frame_of(times)] * 2, ignore_index=True)
    assert load_frame(twice, Columns()).skipped == {"exact duplicate events": 3}


DATES = {  # 1969, 1972 and 1999, in file order 1999, 1969, 1972
    "ISO": ["1999-01-01", "1969-05-01", "1972-05-01"],
    "datetime64[s]": np.array(["1999-01-01", "1969-05-01", "1972-05-01"], dtype="datetime64[s]"),
    "date objects": [
        datetime.date(1999, 1, 1),
        datetime.date(1969, 5, 1),
        datetime.date(1972, 5, 1),
    ],
    "of a database": pd.Series(
        [datetime.datetime(year, 1, 1, tzinfo=UTC) for year in (1999, 1969, 1972)], dtype=object
    ),
    "numpy objects": pd.Series(
        [np.datetime64(f"{year}-01-01") for year in (1999, 1969, 1972)], dtype=object
    ),
    "categories": pd.Series(["1999-01-01", "1969-05-01", "1972-05-01"], dtype="category"),
    "periods": pd.Series(pd.PeriodIndex(["1999-01", "1969-05", "1972-05"], freq="M")),
    "other calendars of long ago": ["1812-01-01", "0800-12-25", "1066-10-14"],
}


@pytest.mark.parametrize("times", DATES.values(), ids=DATES)
def test_dates_are_dates_whatever_the_year(times):
    assert order_of(times) == "abc"


def test_a_model_reads_dates_before_1973_in_seconds():
    day = 24 * 3600
    dates = ["1970-01-03", "1999-01-01", "1969-12-31", "2000-01-01"]
    assert seconds_of(dates) == [2 * day, 10592 * day, -day, 10957 * day]
    assert seconds_of(["2024-01-01T12:00"] * 4) == [NOON] * 4


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_whole_numbers_are_read_in_the_unit_that_their_size_tells(unit):
    assert seconds_of([(NOON + i) * unit for i in range(3)]) == [NOON, NOON + 1, NOON + 2]


def test_time_zones_are_told_apart():
    east = datetime.timezone(datetime.timedelta(hours=9))
    nine_in_tokyo = datetime.datetime(2024, 1, 1, 9, tzinfo=east)  # midnight in UTC
    times = pd.Series([datetime.datetime(2024, 1, 1, 1, tzinfo=UTC), nine_in_tokyo], dtype=object)
    found = event_times(times, "row {}".format).times
    assert (found - found[1]).tolist() == [3600 * 1000, 0]


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (pd.Series([1, None, 3], dtype="Int64"), r"row 1: column 'time' has no time \(<NA>\)"),
        (pd.Series([1, None, 3], dtype=object), r"row 1: column 'time' has no time \(None\)"),
        (["1", " ", "3"], r"row 1: column 'time' has no time \(' '\)"),
        (pd.to_datetime(["2024-01-01", None]), r"row 1: column 'time' has no time \(NaT\)"),
        (["13/01/2024", "14/01/2024"], "row 0: .* no date but '13/01/2024', .* year first"),
        (["2024-01-13", "13.01.2024"], "row 1: .* no date but '13.01.2024', .* year first"),
        ([10**400, 1], "row 0: .* '1000*', expected a finite number below"),
        ([2**63, 1], "row 0: .* '9223372036854775808', expected a finite number below"),
        (["1" * 400, "1"], "row 0: .* '1{60}', expected a finite number below"),
        ([True, False], "row 0: .* 'True', expected a finite number or an ISO date"),
        ([1j, 2], "row 0: .* '1j', expected a finite number or an ISO date"),
        (pd.to_timedelta([1, 2]), "row 0: .* '0 days .*', expected a finite number or an ISO"),
        ([datetime.date(2024, 1, 1), 5], "row 1: .* '5', but dates before"),
        (pd.Series(["\udc80", "1"], dtype=object), "row 0: .* no date"),
        ([1_704_110_400_000, 1_704_110_400_000_001], "mixes milliseconds and microseconds"),
        ([-1, 1], "row 0: timestamp -1 is negative; .* as ISO dates"),
        (["0001-01-01", "9999-12-31"], "before 1973 beside some beyond the year 5138"),
    ],
)
def test_what_is_no_time_is_named_with_its_row(times, words):
    if isinstance(times, list) and not isinstance(times[0], str | bool):
        times = pd.Series(times, dtype=object)
    with pytest.raises(DataError, match=words):
        event_times(pd.Series(times, name="time"), "row {}".format)


def times_of(data):
    return [] if data.times is None else data.times.tolist()


def test_domains_keep_the_order_and_the_seconds_of_dates():
    fine = load_frame(frame_of(FINER["ISO microseconds"]), Columns())
    old = load_frame(frame_of(DATES["ISO"]), Columns())
    merged = merge_domains({"fine": fine, "old": old})
    assert [merged.item_ids[item] for item in merged.items[:3]] == [f"fine:{i}" for i in "abc"]
    assert times_of(merged)[:3] == [NOON] * 3  # milliseconds would make 1972 another time
    assert times_of(merged)[3:] == sorted(old.times)


def test_the_fingerprint_tells_times_apart_that_differ_below_a_millisecond():
    first, second = (
        load_frame(frame_of(times), Columns())
        for times in (FINER["ISO microseconds"], FINER["ISO microseconds"][::-1])
    )
    assert isinstance(first, Interactions)
    assert fingerprint(first) != fingerprint(second)


def test_numbers_that_no_decimal_can_be_made_of_keep_the_digits_of_a_float():
    # True counts as 1 for a float, and is no text of a number.
    odd = pd.Series([True, "2.5"], dtype=object)
    assert _exact(odd, np.array([1.0, 2.5])) == [1.0, 2.5]
    assert _exact(pd.Series(["1", "2.50"]), np.array([1.0, 2.5])) == [decimal.Decimal("1"), 2.5]
