"""Texts of reviews as a column of the catalogue: those of training events, and of no other."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fedrec.data.catalog import REVIEWS
from fedrec.data.interactions import Prepared
from fedrec.data.readers.amazon_reviews import Review
from fedrec.data.splits import before_targets
from fedrec.errors import ConfigError

MAX_CHARACTERS = 4000  # of an item; no more of a text is encoded (fedrec.semantics.texts)

_Event = tuple[str, str, int]


def with_reviews(
    prepared: Prepared, reviews: Sequence[Review], facts: dict[str, Any]
) -> tuple[Prepared, dict[str, Any]]:
    """Add the column "reviews": each item's reviews, the oldest first, ties by the order of users.

    A review is read only where it belongs to a training event, and to no event that is held out
    for validation or test: its text would tell the model what it is to predict. Of several
    reviews of one event the first is read.

    Args:
        prepared: Data after all thresholds, since these decide what is held out.
        reviews: Reviews of the source, in file order.
        facts: Facts of the manifest, with its notes.

    Raises:
        ConfigError: Users are sessions.

    Returns:
        The data, and the facts with a note and the counts ``read``, ``held_out``, ``not_kept`` (of
        dropped users, items or events) and ``items`` with a review.
    """
    if facts.get("sessions"):
        raise ConfigError(
            f"semantics.fields names {REVIEWS!r}, which persons have written, and with "
            f"data.sessions = {facts['sessions']!r} a user is a session; leave one of them out"
        )
    training, held_out = _events(prepared)
    texts: dict[_Event, str] = {}
    counts = {"read": 0, "held_out": 0, "not_kept": 0}
    for review in reviews:
        event = (review.user, review.item, review.time)
        if event in held_out:
            counts["held_out"] += 1
        elif event in training and event not in texts:
            counts["read"] += 1
            texts[event] = review.text
        else:
            counts["not_kept"] += 1
    by_item: defaultdict[str, list[str]] = defaultdict(list)
    for event in sorted(texts, key=lambda event: (event[2], training[event])):
        by_item[event[1]].append(texts[event])
    counts["items"] = len(by_item)
    column = [_joined(by_item[item]) for item in prepared.catalog.item_ids]
    columns = {**prepared.catalog.columns, REVIEWS: column}
    found = facts | {REVIEWS: counts, "notes": [*facts["notes"], _note(counts)]}
    return replace(prepared, catalog=replace(prepared.catalog, columns=columns)), found


def _note(counts: dict[str, int]) -> str:
    return (
        f"texts of {counts['items']} items hold {counts['read']} reviews of training events: words "
        "of users are in the frozen table that all clients and the server have"
    )


def _events(prepared: Prepared) -> tuple[dict[_Event, int], set[_Event]]:
    """Training events with their place among all, and what is held out; an event in both is out."""
    is_training = before_targets(prepared.sequences, "validation")
    training: dict[_Event, int] = {}
    held_out: set[_Event] = set()
    for place, event in enumerate(_named(prepared)):
        if is_training[place]:
            training.setdefault(event, place)
        else:
            held_out.add(event)
    return {event: place for event, place in training.items() if event not in held_out}, held_out


def _named(prepared: Prepared) -> Iterator[_Event]:
    """User id, item id and time of every event, in the order of the sequences."""
    sequences, item_ids = prepared.sequences, prepared.catalog.item_ids
    users = np.repeat(np.arange(sequences.num_users), sequences.lengths()).tolist()
    times: Any = sequences.times  # each reader of reviews gives times
    for user, item, time in zip(users, sequences.items.tolist(), times.tolist(), strict=True):
        yield prepared.user_ids[user], item_ids[item - 1], time


def _joined(texts: Sequence[str]) -> str:
    """Whole reviews as far as the limit goes; of a first one that is longer, its beginning."""
    joined = ""
    for text in texts:
        longer = f"{joined} {text}".strip()
        if len(longer) > MAX_CHARACTERS:
            break
        joined = longer
    return joined or "".join(texts[:1])[:MAX_CHARACTERS]
