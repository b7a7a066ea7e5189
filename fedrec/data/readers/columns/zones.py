"""Dates with and without a time zone in one column."""

import re

import numpy as np
import pandas as pd

from fedrec.data.readers.columns.distinct import distinct_of

_ZONE = re.compile(r"[Tt ]\d{2}(:?\d{2}){0,2}([.,]\d+)?\s*(Z|z|UTC|[+-]\d{2}(:?\d{2})?)$")


def zones_note(times: pd.Series) -> list[str]:
    """A note where some dates of a column of text have a time zone and others none.

    Those without one are in UTC; the note says how many they are, since they may have been meant
    as local time.

    Args:
        times: Column of the times, already found to be sound.
    """
    distinct = distinct_of(times)
    values = times if distinct is None else distinct.values
    if values.dtype != object or not isinstance(values.iloc[0], str):
        return []
    has_zone = np.array([_ZONE.search(str(value).strip()) is not None for value in values])
    zoned = int((has_zone if distinct is None else has_zone[distinct.codes]).sum())
    if not zoned or zoned == len(times):
        return []
    return [
        f"{len(times) - zoned:,} of {len(times):,} dates in column {times.name!r} have no time "
        "zone and are read as UTC, beside those that have one"
    ]
