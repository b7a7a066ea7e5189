"""Texts of Amazon reviews, of the layouts in ``fedrec.data.readers.amazon``."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from fedrec.data.readers.amazon import NEW, OLD, reviews_of
from fedrec.data.readers.html import plain_text
from fedrec.data.storable import storable_text
from fedrec.errors import DataError

_TEXTS = {OLD: ("summary", "reviewText"), NEW: ("title", "text")}


class Review(NamedTuple):
    """A review's text, and the event that it belongs to.

    Attributes:
        user: Id of the source.
        item: Id of the source.
        time: Time of the event, as the reader of events gives it.
        text: Headline and text as plain text on one line, never empty.
    """

    user: str
    item: str
    time: int
    text: str


def read_reviews(files: dict[str, bytes], names: dict[str, str], layout: str) -> list[Review]:
    """Read the reviews that have a text, in file order.

    Args:
        files: "events" to its bytes; ids and times were checked when the events were read.
        names: The same key to a file name, for messages.
        layout: One of ``fedrec.data.readers.amazon.LAYOUTS``.

    Raises:
        DataError: No review has a text, as in the tables of the 5-core benchmark of 2023.
    """
    keys = NEW if layout == "amazon-2023" else OLD
    user, item, _, time = keys
    found = [
        Review(record[user], record[item], int(float(record[time])), text)
        for _, record in reviews_of(files["events"], names["events"])
        if (text := " ".join(_sentences(record, _TEXTS[keys])))
    ]
    if not found:
        raise DataError(
            f"no review in {names['events']} has a text ({' or '.join(_TEXTS[keys])}); leave "
            "reviews out of semantics.fields, or set data.source to the file of whole reviews"
        )
    return found


def _sentences(record: dict[str, Any], fields: tuple[str, ...]) -> Iterator[str]:
    for field in fields:
        if text := storable_text(plain_text(record.get(field))):
            yield text if text.endswith((".", "!", "?", "\u2026")) else f"{text}."
