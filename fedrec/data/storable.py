"""Texts that UTF-8 files, tables and messages can hold: no half of a surrogate pair, no NUL."""

import re
from dataclasses import replace

from fedrec.data.catalog import Catalog
from fedrec.data.interactions import Interactions
from fedrec.errors import DataError

COUNTED = "texts with a lone surrogate or NUL, replaced by U+FFFD"
_UNSTORABLE = re.compile("[\ud800-\udfff\x00]")


def storable(interactions: Interactions) -> Interactions:
    """Interactions whose texts can be stored; what had to be replaced is counted.

    An id is never replaced, since another may then be the same.

    Args:
        interactions: Events of a loader, maybe of the user's own.

    Raises:
        DataError: An id cannot be stored.
    """
    for what, ids in (("user", interactions.user_ids), ("item", interactions.item_ids)):
        for identity in ids:
            if not is_storable(identity):
                raise DataError(
                    f"{what} id {identity[:60]!a} holds a lone surrogate or NUL, which no file of "
                    "UTF-8 text can hold; give it another id"
                )
    count = 0

    def whole(text: str) -> str:
        nonlocal count
        count += not is_storable(text)
        return storable_text(text)

    catalog = interactions.catalog
    texts = Catalog(
        catalog.item_ids,
        list(map(whole, catalog.titles)),
        [tuple(map(whole, names)) for names in catalog.genres],
        catalog.years,
        list(map(whole, catalog.descriptions)),
        {name: list(map(whole, values)) for name, values in catalog.columns.items()},
    )
    attributes = {name: list(map(whole, told)) for name, told in interactions.attributes.items()}
    if not count:
        return interactions
    skipped = {**interactions.skipped, COUNTED: count}
    return replace(interactions, catalog=texts, attributes=attributes, skipped=skipped)


def storable_text(text: str) -> str:
    """A text in which U+FFFD stands for what cannot be stored."""
    return text if is_storable(text) else _UNSTORABLE.sub("\ufffd", text)


def is_storable(text: str) -> bool:
    """Whether a text holds neither a half of a surrogate pair nor NUL."""
    return (text.isascii() and "\0" not in text) or not _UNSTORABLE.search(text)
