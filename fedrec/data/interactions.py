"""Interactions as readers return them, and their preparation: filtering and sorting."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedrec.data.catalog import Catalog
from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError, DataError

# Below: seconds until the year 5138. Above: milliseconds since 1973. Real data lies on one side.
LATEST_SECONDS = 10**11
# From here on milliseconds, microseconds, nanoseconds: the same dates, a thousand times larger.
UNITS = (LATEST_SECONDS, 10**14, 10**17)
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: Fibonacci hashing
_UNIT_NAMES = ("seconds", "milliseconds", "microseconds", "nanoseconds")


@dataclass(frozen=True, repr=False)
class Interactions:
    """Events in file order, before anything is filtered.

    Args:
        user_ids: Ids of the source, in the order that numbers the users.
        item_ids: Ids of all items of the catalogue, in the order that numbers the items.
        users: (E,) int32, positions in ``user_ids``.
        items: (E,) int32, positions in ``item_ids``.
        times: (E,) int64, or None when file order is the time order.
        ratings: (E,) float32, or None.
        catalog: Aligned with ``item_ids``.
        attributes: User attribute name -> value for each entry of ``user_ids``.
        skipped: What was dropped or repaired -> how often.
        notes: Sentences that a reader of results on these data must know.
        precise: (E,) int64 that sorts and compares events as the source's own times do, where those
            are finer than ``times``; None where they are not.

    Raises:
        DataError: Parts that do not fit each other.
    """

    user_ids: list[str]
    item_ids: list[str]
    users: NDArray[np.int32]
    items: NDArray[np.int32]
    times: NDArray[np.int64] | None
    ratings: NDArray[np.float32] | None
    catalog: Catalog
    attributes: dict[str, list[str]] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    precise: NDArray[np.int64] | None = None

    def __repr__(self) -> str:
        """One line: the sizes."""
        return (
            f"<Interactions: {len(self.users):,} events of {len(self.user_ids):,} users and "
            f"{len(self.item_ids):,} items>"
        )

    def __post_init__(self) -> None:
        events: dict[str, NDArray[np.generic]] = {"users": self.users, "items": self.items}
        for name, values, ids in (
            ("users", self.users, self.user_ids),
            ("items", self.items, self.item_ids),
        ):
            if len(values) and not (values.min() >= 0 and values.max() < len(ids)):
                raise DataError(f"{name} of interactions must be positions 0..{len(ids) - 1}")
        if self.times is not None:
            events["times"] = self.times
        if self.precise is not None:
            events["precise"] = self.precise
        if self.ratings is not None:
            events["ratings"] = self.ratings
        lengths = {name: len(values) for name, values in events.items()}
        if len(set(lengths.values())) != 1:
            raise DataError(f"columns of interactions differ in length: {lengths}")
        if self.catalog.item_ids != self.item_ids:
            raise DataError("the catalogue of interactions must list the same items in their order")
        for name, attribute in self.attributes.items():
            if len(attribute) != len(self.user_ids):
                raise DataError(
                    f"user attribute {name!r} has {len(attribute)} values "
                    f"for {len(self.user_ids)} users"
                )

    @property
    def sort_key(self) -> NDArray[np.int64] | None:
        """(E,) what events are sorted and compared by; None when file order is time order."""
        return self.times if self.precise is None else self.precise


@dataclass(frozen=True)
class Prepared:
    """Sequences of the users and items that were kept, with their ids and what was skipped."""

    sequences: Sequences
    catalog: Catalog
    user_ids: list[str]
    attributes: dict[str, list[str]]
    skipped: dict[str, int]


def to_sequences(
    interactions: Interactions, *, min_item_events: int = 5, min_user_events: int = 3
) -> Prepared:
    """Drop rare items, then short users, and put each user's events in time order.

    Items are counted once over all events (one pass, not a k-core: the preprocessing of SASRec);
    users are counted over what remains. The sort by (user, time) is stable, so file order breaks
    ties. Kept users and items are numbered in the order of the loader's lists, items from 1.

    Args:
        interactions: Events of a loader.
        min_item_events: Items with fewer events are dropped; 0 keeps items without any.
        min_user_events: Users with fewer events are dropped; at least 3, since leave-last-out
            needs one event each to train, to validate and to test.

    Raises:
        ConfigError: ``min_user_events`` is below 3 or ``min_item_events`` below 0.
        DataError: No user or fewer than two items would remain.
    """
    if min_user_events < 3:
        raise ConfigError(
            f"data.min-user-events must be 3 or more, got {min_user_events}: "
            "one event each is needed to train, to validate and to test"
        )
    if min_item_events < 0:
        raise ConfigError(f"data.min-item-events must be 0 or more, got {min_item_events}")
    num_items, num_users = len(interactions.item_ids), len(interactions.user_ids)
    item_events = np.bincount(interactions.items, minlength=num_items)
    item_kept = item_events >= min_item_events
    event_kept = item_kept[interactions.items]
    user_events = np.bincount(interactions.users[event_kept], minlength=num_users)
    user_kept = user_events >= min_user_events
    event_kept &= user_kept[interactions.users]
    _refuse_nothing_left(item_kept, user_kept, min_item_events, min_user_events)

    users, items = interactions.users[event_kept], interactions.items[event_kept]
    times = None if interactions.times is None else interactions.times[event_kept]
    key = interactions.sort_key
    order = (
        np.argsort(users, kind="stable") if key is None else np.lexsort((key[event_kept], users))
    )
    item_number = np.cumsum(item_kept, dtype=np.int32)  # 1..V, meaningful for kept items only
    offsets = np.concatenate([[0], np.cumsum(user_events[user_kept])]).astype(np.int64)
    sequences = Sequences(
        item_number[items[order]], offsets, None if times is None else times[order]
    )
    kept_users = np.flatnonzero(user_kept)
    return Prepared(
        sequences,
        interactions.catalog.select(np.flatnonzero(item_kept)),
        [interactions.user_ids[user] for user in kept_users],
        {
            name: [values[user] for user in kept_users]
            for name, values in interactions.attributes.items()
        },
        _counted(
            interactions.skipped,
            {
                f"items with fewer than {min_item_events} events": int(np.sum(~item_kept)),
                f"events of items with fewer than {min_item_events} events": int(
                    item_events[~item_kept].sum()
                ),
                f"users with fewer than {min_user_events} events": int(np.sum(~user_kept)),
                f"events of users with fewer than {min_user_events} events": int(
                    user_events[~user_kept].sum()
                ),
            },
        ),
    )


def _refuse_nothing_left(
    item_kept: NDArray[np.bool_],
    user_kept: NDArray[np.bool_],
    min_item_events: int,
    min_user_events: int,
) -> None:
    if item_kept.sum() < 2:
        raise DataError(
            f"{int(item_kept.sum())} of {len(item_kept)} items have {min_item_events} or more "
            "events, ranking needs at least 2; lower data.min-item-events or give more data"
        )
    if not user_kept.any():
        raise DataError(
            f"none of {len(user_kept)} users has {min_user_events} or more events with items "
            f"of {min_item_events} or more events; lower data.min-item-events or give more data"
        )


def _counted(*counts: dict[str, int]) -> dict[str, int]:
    return {name: n for group in counts for name, n in group.items() if n}


def checked_times(times: NDArray[np.int64], place: Callable[[int], str]) -> NDArray[np.int64]:
    """Return the times, or refuse negative ones and seconds mixed with milliseconds.

    Args:
        times: (E,) int64 in file order.
        place: Function that names file and line of an entry, for the message.

    Raises:
        DataError: The message names the first such entry.
    """
    if len(times) == 0:
        return times
    if times.min() < 0:
        at = int(np.argmax(times < 0))
        raise DataError(
            f"{place(at)}: timestamp {times[at]} is negative; a time counts from 1970, 0 or more "
            "(write earlier ones as ISO dates)"
        )
    # Small counters (1, 2, 3, ...) are fine as long as nothing looks like milliseconds.
    if np.ptp(np.searchsorted(UNITS, [times.min(), times.max()], side="right")):
        units = np.searchsorted(UNITS, times, side="right")
        at = int(np.argmax(units != units[0]))
        coarse, fine = sorted((units[0], units[at]))
        raise DataError(
            f"{place(at)}: timestamp {times[at]} after {times[0]} mixes {_UNIT_NAMES[coarse]} and "
            f"{_UNIT_NAMES[fine]}; write all times in one unit, or as ISO dates"
        )
    return times


def drop_exact_duplicates(interactions: Interactions) -> Interactions:
    """Keep the first of events equal in user, item, time and rating; count the others.

    Without times nothing is dropped: the same item again is then a repeat, not a copy.
    """
    key, times = interactions.sort_key, interactions.times
    if key is None or times is None or len(interactions.users) == 0:
        return interactions
    columns: list[NDArray[Any]] = [key, interactions.items, interactions.users]
    if interactions.ratings is not None:
        columns.insert(0, interactions.ratings)
    suspects = _suspects(columns)
    columns = [column[suspects] for column in columns]
    order = np.lexsort(columns)  # stable: of equal events the first of the file comes first
    equal = np.ones(max(len(order) - 1, 0), dtype=bool)
    for column in columns:
        equal &= column[order][1:] == column[order][:-1]
    repeats = int(equal.sum())
    if not repeats:
        return interactions
    kept = np.ones(len(interactions.users), dtype=bool)
    kept[suspects[order[1:][equal]]] = False
    return replace(
        interactions,
        users=interactions.users[kept],
        items=interactions.items[kept],
        times=times[kept],
        precise=None if interactions.precise is None else interactions.precise[kept],
        ratings=None if interactions.ratings is None else interactions.ratings[kept],
        skipped={**interactions.skipped, "exact duplicate events": repeats},
    )


def _suspects(columns: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    """Rows that share their hash with another row, among them all that equal another."""
    ascending = _hashes(columns)
    ascending.sort()
    shared = ascending[1:][ascending[1:] == ascending[:-1]]
    if len(shared) == 0:
        return np.empty(0, dtype=np.int64)
    hashes = _hashes(columns)
    place = np.minimum(np.searchsorted(shared, hashes), len(shared) - 1)
    return np.flatnonzero(shared[place] == hashes)


def _hashes(columns: Sequence[NDArray[Any]]) -> NDArray[np.uint64]:
    """(E,) hash of every row, the same for equal rows."""
    found = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        # -0 equals 0, but has other bits.
        found ^= (column + 0.0 if column.dtype.kind == "f" else column).view(f"u{column.itemsize}")
        found *= _ODD
        found ^= found >> np.uint64(29)
    return found


def fingerprint(interactions: Interactions) -> str:
    """sha256 over events, ids, catalogue and attributes."""
    ids = [interactions.user_ids, interactions.catalog.to_json(), interactions.attributes]
    digest = hashlib.sha256(json.dumps(ids, sort_keys=True).encode())
    for column in (
        interactions.users,
        interactions.items,
        interactions.times,
        interactions.ratings,
    ):
        digest.update(b"none" if column is None else np.ascontiguousarray(column).tobytes())
    if interactions.precise is not None:
        digest.update(np.ascontiguousarray(interactions.precise).tobytes())
    return digest.hexdigest()
