"""Times of a user's own events: numbers of one unit, or dates, in the order of every digit.

What is stored is whole seconds or milliseconds; what events are sorted and compared by is the time
as the source writes it, so that two events of one millisecond keep their order.
"""

import datetime
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedrec.data.interactions import LATEST_SECONDS, UNITS, checked_times
from fedrec.data.readers.columns import Place
from fedrec.data.readers.columns.distinct import distinct_of
from fedrec.errors import DataError

_EXPECTED = "expected a finite number or an ISO date, year first, such as 2024-01-31"
_BEYOND_NANOSECONDS = re.compile(r"[.,]\d{9}(\d+)")
_EPOCH = datetime.datetime(1970, 1, 1)


class EventTimes(NamedTuple):
    """Times of E events.

    Attributes:
        times: (E,) int64, seconds or milliseconds, as ``fedrec.data.times`` tells them apart.
        precise: (E,) int64 that sorts and compares as the source's own times do; None where
            ``times`` does.
    """

    times: NDArray[np.int64]
    precise: NDArray[np.int64] | None


def event_times(series: pd.Series, place: Place) -> EventTimes:
    """Times of a column: whole numbers in their own unit, fractions and dates in milliseconds.

    Dates are dates whatever the year: they are in seconds where one lies before 1973, as the
    milliseconds of such a date are what seconds look like.

    Args:
        series: Numbers, ISO dates as text, or dates of pandas, numpy or Python.
        place: Where a row stands, for messages.

    Raises:
        DataError: Names the first row that holds no time, or a time of another kind.
    """
    distinct = distinct_of(series)
    if distinct is not None:
        found = event_times(distinct.values, distinct.place(place))
        precise = None if found.precise is None else found.precise[distinct.codes]
        return EventTimes(found.times[distinct.codes], precise)
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(object)
    if isinstance(series.dtype, pd.PeriodDtype):
        series = series.dt.to_timestamp()
    _refuse_missing(series, place)
    if isinstance(series.dtype, pd.DatetimeTZDtype) or series.dtype.kind == "M":
        return _of_stamps(pd.to_datetime(series, utc=True))
    if series.dtype.kind in "iuf":
        return _of_numbers(series, place)
    first = series.iloc[0]
    if isinstance(first, datetime.date | np.datetime64):
        return _of_dates(series, place)
    if isinstance(first, str) and not _is_number(first):
        return _of_iso(series, place)
    return _of_numbers(series, place)


def _refuse_missing(series: pd.Series, place: Place) -> None:
    """Refuse NaN, NaT, NA, None and blank text by their own name."""
    missing = series.isna().to_numpy(dtype=bool)
    if series.dtype.kind not in "iufM":
        missing = missing | np.array(
            [isinstance(value, str) and not value.strip() for value in series]
        )
    if missing.any():
        row = int(np.argmax(missing))
        seen = series.iloc[row]
        seen = repr(seen) if isinstance(seen, str) else seen
        raise DataError(
            f"{place(row)}: column {series.name!r} has no time ({seen}); every event "
            'needs one, or set the time column to "" when the rows are in time order'
        )


def _unusable(series: pd.Series, row: int, place: Place, expected: str = _EXPECTED) -> DataError:
    return DataError(
        f"{place(row)}: column {series.name!r} holds {str(series.iloc[row])[:60]!r}, {expected}"
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _of_stamps(utc: pd.Series) -> EventTimes:
    """Times of a column of pandas' own dates in UTC; none is missing."""
    ticks = utc.dt.tz_localize(None).to_numpy()
    milliseconds = ticks.astype("datetime64[ms]").astype(np.int64)
    return _stored(milliseconds, ticks.astype(np.int64))


def _stored(milliseconds: NDArray[np.int64], precise: NDArray[np.int64]) -> EventTimes:
    """Times to store, and the precise ones where those tell more events apart."""
    fits = bool(milliseconds.min() >= LATEST_SECONDS)
    times = milliseconds if fits else milliseconds // 1000
    if times.max() >= LATEST_SECONDS and not fits:
        raise DataError(
            "dates before 1973 beside some beyond the year 5138 cannot be stored; correct those "
            "that stand for an unknown date"
        )
    coarse = _num_distinct(precise) > _num_distinct(times)
    return EventTimes(times, precise if coarse else None)


def _num_distinct(values: NDArray[np.int64]) -> int:
    """How many differ; np.unique's hash table takes ten times as long as sorting."""
    ascending = np.sort(values)
    return int(np.count_nonzero(ascending[1:] != ascending[:-1])) + (len(values) > 0)


def _of_iso(series: pd.Series, place: Place) -> EventTimes:
    """Times of dates written as text; a date without a time zone is in UTC."""
    text = pd.Series([str(value) for value in series], dtype=object)
    dates = pd.to_datetime(text, errors="coerce", utc=True, format="ISO8601")
    if dates.isna().any():
        row = int(np.argmax(dates.isna().to_numpy()))
        raise DataError(
            f"{place(row)}: column {series.name!r} holds no date but {text.iloc[row][:60]!r}, "
            f"{_EXPECTED} (pandas.to_datetime(column, dayfirst=True) converts day-first ones)"
        )
    found = _of_stamps(dates)
    digits = [_BEYOND_NANOSECONDS.search(value) for value in text]
    if not any(digits):
        return found
    ticks = dates.dt.as_unit("ns").astype(np.int64).tolist()
    fine = [match[1].rstrip("0") if match else "" for match in digits]
    return _stored(
        np.array([tick // 10**6 for tick in ticks], dtype=np.int64),
        _ranks(list(zip(ticks, fine, strict=True))),
    )


def _of_dates(series: pd.Series, place: Place) -> EventTimes:
    """Times of a column of date, datetime, Timestamp or datetime64 objects, as drivers return."""
    nanoseconds = []
    for row, value in enumerate(series):
        if not isinstance(value, datetime.date | np.datetime64):
            raise _unusable(series, row, place, "but dates before; write all times in one way")
        nanoseconds.append(_nanoseconds(value))
    milliseconds = np.array([value // 10**6 for value in nanoseconds], dtype=np.int64)
    return _stored(milliseconds, _ranks(nanoseconds))


def _nanoseconds(value: datetime.date | np.datetime64) -> int:
    """Nanoseconds since 1970 in UTC, however far away the year."""
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    fine = value.nanosecond if isinstance(value, pd.Timestamp) else 0
    if isinstance(value, pd.Timestamp):
        value = value.to_pydatetime(warn=False)
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(value, datetime.time())
    if value.tzinfo is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return (value - _EPOCH) // datetime.timedelta(microseconds=1) * 1000 + fine


def _of_numbers(series: pd.Series, place: Place) -> EventTimes:
    """Times of numbers, all of one unit, which their size tells."""
    numbers = _numeric(series, place)
    if numbers.dtype.kind in "iu":
        whole = numbers.astype(np.int64)
        return _of_whole(checked_times(whole, place), whole)
    if (numbers == np.floor(numbers)).all() and series.dtype.kind == "f":
        whole = numbers.astype(np.int64)
        return _of_whole(checked_times(whole, place), whole)
    floors = np.floor(numbers).astype(np.int64)
    checked_times(floors, place)
    precise = _ranks(_exact(series, numbers))
    if floors[0] >= LATEST_SECONDS:
        return _of_whole(floors, precise)
    if (numbers == floors).all():
        return _refined(floors, precise)
    return _stored(np.round(numbers * 1000).astype(np.int64), precise)


def _of_whole(times: NDArray[np.int64], precise: NDArray[np.int64]) -> EventTimes:
    """Times of checked whole numbers: seconds and milliseconds as they are, finer ones divided."""
    unit = int(np.searchsorted(UNITS, times[0], side="right"))
    divisor = (1, 1, 1000, 1_000_000)[unit]
    if divisor == 1 and precise is times:
        return EventTimes(times, None)
    return _refined(times // divisor, precise)


def _refined(times: NDArray[np.int64], precise: NDArray[np.int64]) -> EventTimes:
    coarse = _num_distinct(precise) > _num_distinct(times)
    return EventTimes(times, precise if coarse else None)


def _numeric(series: pd.Series, place: Place) -> NDArray[Any]:
    """The numbers of a column (E,): int64 where all are whole and written so, else float64."""
    if series.dtype.kind == "i":
        return series.to_numpy()
    try:
        numbers = pd.to_numeric(series, errors="coerce")
    except (OverflowError, TypeError, ValueError):
        numbers = pd.Series([_float(value) for value in series])
    if numbers.dtype.kind not in "iuf":  # truth values, complex numbers, Arrow's decimals
        numbers = pd.Series([_float(value) for value in series])
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    if series.dtype.kind not in "iuf":
        odd = np.array([isinstance(value, bool | np.bool_) for value in series])
        values = np.where(odd | series.map(_is_duration).to_numpy(dtype=bool), np.nan, values)
    bad = ~(np.isfinite(values) & (np.abs(values) < 2.0**63))
    if bad.any():
        row = int(np.argmax(bad))
        seen = _float(series.iloc[row])
        is_number = not (np.isnan(seen) or isinstance(series.iloc[row], bool | np.bool_))
        raise _unusable(
            series, row, place, "expected a finite number below 2^63" if is_number else _EXPECTED
        )
    return numbers.to_numpy() if numbers.to_numpy().dtype.kind in "iu" else values


def _is_duration(value: object) -> bool:
    return isinstance(value, datetime.timedelta | np.timedelta64)


def _float(value: Any) -> float:
    if isinstance(value, complex | np.complexfloating):
        return np.nan
    try:
        return float(value)
    except OverflowError:
        return np.inf
    except (TypeError, ValueError):
        return np.nan


def _exact(series: pd.Series, numbers: NDArray[np.float64]) -> Sequence[Any]:
    """Numbers to all their digits: text and decimals have more than a float."""
    if series.dtype.kind == "f":
        return list(numbers)
    try:
        return [Decimal(str(value).strip()) for value in series]
    except ArithmeticError:
        return list(numbers)


def _ranks(values: Sequence[Any]) -> NDArray[np.int64]:
    """(E,) position of each value among the distinct ones, ascending."""
    place = {value: rank for rank, value in enumerate(sorted(set(values)))}
    return np.array([place[value] for value in values], dtype=np.int64)
