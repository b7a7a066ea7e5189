"""The most frequent items of prepared data alone: ``data.top-items``."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedrec.data.interactions import Prepared
from fedrec.data.sequences import Sequences, marked
from fedrec.errors import ConfigError, DataError

HELD_OUT = 2  # events of a user that are no training events: validation and test item
MOST_PASSES = 20  # of counting, where the choice changes what is held out again and again


def keep_top_items(
    prepared: Prepared, top_items: int, *, min_user_events: int
) -> tuple[Prepared, dict[str, Any]]:
    """Keep the N items with the most training events, and the users who then have enough events.

    What is held out follows from the choice: without rarer items, other events are a user's last
    two. So items are counted again behind the choice, until the N items are those that are most
    frequent before the held-out events of the very sequences that they make. (The published code
    of DUALRec counts all events, those of the test among them.) Among equals the lower number is
    kept. Users and items are numbered anew in their order.

    Args:
        prepared: Data after the other thresholds.
        top_items: N, at least 2.
        min_user_events: Users with fewer remaining events are dropped.

    Returns:
        The data, and the record of the choice: ``items``, ``passes`` and whether it ``settled``.

    Raises:
        ConfigError: There are fewer items.
        DataError: No user is left.
    """
    num_items, sequences = prepared.catalog.num_items, prepared.sequences
    if top_items > num_items:
        raise ConfigError(
            f"data.top-items is {top_items}, but there are {num_items} items of "
            "data.min-item-events or more events; lower it, or set it to 0 for all items"
        )
    kept = np.arange(num_items + 1) > 0
    settled, passes = False, 0
    while not settled and passes < MOST_PASSES:
        counted = _training_events(sequences, kept, min_user_events)
        counts = np.bincount(sequences.items[counted], minlength=num_items + 1)[1:]
        chosen = np.zeros(num_items + 1, dtype=bool)
        chosen[1 + np.argsort(-counts, kind="stable")[:top_items]] = True
        settled, kept, passes = bool((chosen == kept).all()), chosen, passes + 1
    record = {"items": top_items, "passes": passes, "settled": settled}
    return _with_items(prepared, kept, min_user_events), record


def _training_events(
    sequences: Sequences, kept: NDArray[np.bool_], min_user_events: int
) -> NDArray[np.bool_]:
    """Which events (T,) lie before what is held out once the items ``kept`` (V + 1,) remain."""
    is_kept = kept[sequences.items]
    so_far = np.concatenate([[0], np.cumsum(is_kept)])
    of_user = so_far[sequences.offsets[1:]] - so_far[sequences.offsets[:-1]]
    lengths = sequences.lengths()
    behind = np.repeat(so_far[sequences.offsets[1:]], lengths) - so_far[1:]
    stays = np.repeat(of_user >= min_user_events, lengths)
    return np.asarray((behind >= HELD_OUT) & stays)


def _with_items(prepared: Prepared, kept: NDArray[np.bool_], min_user_events: int) -> Prepared:
    """The data of the items ``kept`` (V + 1,), with what was dropped in ``skipped``."""
    left = marked(prepared.sequences, kept[prepared.sequences.items])
    users = np.flatnonzero(left.lengths() >= min_user_events)
    if not len(users):
        raise DataError(
            f"none of {left.num_users} users has {min_user_events} or more events with the "
            f"{int(kept[1:].sum())} most frequent items; raise data.top-items"
        )
    remaining = left.subset(users)
    number = np.cumsum(kept, dtype=np.int32)  # kept[0] is False: items stay 1..N
    dropped = {
        "items beyond data.top-items": int((~kept[1:]).sum()),
        "events of items beyond data.top-items": prepared.sequences.num_events - left.num_events,
        f"users with fewer than {min_user_events} events of data.top-items": (
            left.num_users - len(users)
        ),
        f"events of users with fewer than {min_user_events} events of data.top-items": (
            left.num_events - remaining.num_events
        ),
    }
    return Prepared(
        replace(remaining, items=number[remaining.items]),
        prepared.catalog.select(np.flatnonzero(kept[1:])),
        [prepared.user_ids[user] for user in users],
        {name: [values[user] for user in users] for name, values in prepared.attributes.items()},
        prepared.skipped | {what: count for what, count in dropped.items() if count},
    )
