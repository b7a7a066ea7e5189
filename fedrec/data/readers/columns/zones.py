"""Dates with and without a time zone in one column."""

import re

import pandas as pd

_ZONE = re.compile(r"[Tt ]\d{2}(:?\d{2}){0,2}([.,]\d+)?\s*(Z|z|UTC|[+-]\d{2}(:?\d{2})?)$")


def zones_note(times: pd.Series) -> list[str]:
    """A note where some dates of a column of text have a time zone and others none.

    Those without one are in UTC; the note says how many they are, since they may have been meant
    as local time.

    Args:
        times: Column of the times, already found to be sound.
    """
    if times.dtype != object or not isinstance(times.iloc[0], str):
        return []
    texts = [str(value).strip() for value in times]
    zoned = sum(_ZONE.search(text) is not None for text in texts)
    if not zoned or zoned == len(texts):
        return []
    return [
        f"{len(texts) - zoned:,} of {len(texts):,} dates in column {times.name!r} have no time "
        "zone and are read as UTC, beside those that have one"
    ]
