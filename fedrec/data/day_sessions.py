"""Sessions of a calendar day in place of users: ``data.sessions = "day"``."""

from dataclasses import replace

import numpy as np

from fedrec.data.interactions import LATEST_SECONDS, Interactions
from fedrec.errors import DataError

_DAY = 24 * 60 * 60  # seconds
NOTE = "a user is a session: the events of one person on one day (UTC)"


def day_sessions(interactions: Interactions) -> Interactions:
    """Make a user of all events of one person on one calendar day in UTC.

    Sessions are numbered by person, then by day; their ids are those of the persons with the date
    behind. Attributes are the person's. PO4ISR makes its sessions so (Sun et al., "Large language
    models for intent-driven session recommendations", SIGIR 2024), but cuts long ones into windows
    of 20 and holds out the last sessions in time, not each session's last item.

    Args:
        interactions: Events with times, in seconds or milliseconds.

    Raises:
        DataError: They have no times.
    """
    if interactions.times is None:
        raise DataError(
            "data.sessions = 'day' needs the times of the events, and this source has none; leave "
            "it out, or name the column by data.time-column"
        )
    times = interactions.times
    days = np.where(times < LATEST_SECONDS, times, times // 1000) // _DAY
    pairs, sessions = np.unique(
        np.stack([interactions.users.astype(np.int64), days], axis=1), axis=0, return_inverse=True
    )
    persons = pairs[:, 0].tolist()
    dates = np.datetime_as_string(pairs[:, 1].astype("datetime64[D]"))
    return replace(
        interactions,
        user_ids=[
            f"{interactions.user_ids[person]} {date}"
            for person, date in zip(persons, dates.tolist(), strict=True)
        ],
        users=sessions.reshape(-1).astype(np.int32),
        attributes={
            name: [values[person] for person in persons]
            for name, values in interactions.attributes.items()
        },
        notes=(*interactions.notes, NOTE),
    )
