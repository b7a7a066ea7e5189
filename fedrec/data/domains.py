"""Multi-domain sources: several datasets as one, each domain with its own users and catalogue.

A user is offered the items of one domain only, in training and in evaluation. Domains share the
model and the space of semantic embeddings.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedrec.data.catalog import Catalog
from fedrec.data.interactions import LATEST_SECONDS, Interactions
from fedrec.errors import ConfigError, DataError

COLUMN = "domain"  # of the catalogue, and attribute of the users

_UNKNOWN = "other"


@dataclass(frozen=True)
class Domains:
    """Domain of each user and item: which items a user may be offered.

    Attributes:
        names: Names of the domains.
        of_user: (U,) Number of each user's domain.
        of_item: (V + 1,) Number of each item's domain, -1 for the padding.
    """

    names: tuple[str, ...]
    of_user: NDArray[np.int64]
    of_item: NDArray[np.int64]

    @cached_property
    def catalogues(self) -> tuple[NDArray[np.int64], ...]:
        """The items of each domain, ascending."""
        return tuple(np.flatnonzero(self.of_item == domain) for domain in range(len(self.names)))

    def span_of(self, items: NDArray[np.integer]) -> range:
        """All items of the domain that some items are of; ``merge_domains`` keeps them together.

        Raises:
            DataError: The items are of several domains.
        """
        present = np.unique(self.of_item[items])
        if len(present) > 1:
            names = " and ".join(self.names[number] for number in present)
            raise DataError(
                f"a history cannot hold items of {names}: each domain has users and a "
                "catalogue of its own; give items of one of them"
            )
        own = self.catalogues[present[0]]
        return range(int(own[0]), int(own[-1]) + 1)

    def outside(self, users: NDArray[np.integer]) -> NDArray[np.bool_]:
        """(B, V + 1), true for the items that other domains than the user's offer.

        Padding is false, as in a mask of a history.
        """
        mask: NDArray[np.bool_] = self.of_item[None, :] != self.of_user[users][:, None]
        mask[:, 0] = False
        return mask

    @property
    def smallest(self) -> int:
        """Items in the smallest catalogue."""
        return min(len(items) for items in self.catalogues)


def domains_of(names: Sequence[str], catalog: Catalog, attribute: Sequence[str]) -> Domains:
    """The domains of prepared data.

    Args:
        names: Names of the domains, as ``merge_domains`` was given them.
        catalog: Catalogue with the column "domain".
        attribute: (U,) Name of each user's domain.

    Raises:
        DataError: A domain of which no user or item is left.
    """
    number = {name: place for place, name in enumerate(names)}
    of_user = np.array([number[name] for name in attribute], dtype=np.int64)
    of_item = np.array([-1, *(number[name] for name in catalog.columns[COLUMN])], dtype=np.int64)
    for name, place in number.items():
        if not ((of_user == place).any() and (of_item == place).any()):
            raise DataError(
                f"no user or item of {name!r} is left; lower data.min-item-events or "
                "data.min-user-events, or leave it out of data.source"
            )
    return Domains(tuple(names), of_user, of_item)


def domain_names(names: Sequence[str]) -> list[str]:
    """Make names of domains from names of sources: repeated ones are numbered."""
    given: list[str] = []
    for name in names:
        count = 1 + sum(other == name for other in names[: len(given)])
        given.append(name if count == 1 else f"{name}-{count}")
    if len(set(given)) < len(given):
        raise ConfigError(f"data.source joins sources of confusable names: {', '.join(names)}")
    return given


def merge_domains(parts: dict[str, Interactions]) -> Interactions:
    """Merge the events of several domains into one dataset.

    Items stay in the order of their domains; so a catalogue's own order is what it was. Where an
    id is found in two domains, all ids become "domain:id": a person who is known to two shops is
    two users. Times go where any domain has none.

    Args:
        parts: Name of each domain -> its events.

    Raises:
        DataError: A domain that already says something else by the word "domain".
    """
    for name, part in parts.items():
        if COLUMN in part.catalog.columns or COLUMN in part.attributes:
            raise DataError(
                f"{name} has a column or attribute {COLUMN!r} of its own; rename it, since that "
                "is where several sources say which of them an item or user is of"
            )
    some = [_sorted_by_time(part) for part in parts.values()]
    if any(part.times is None for part in some):
        some = [replace(part, times=None, precise=None) for part in some]
    else:
        some = _in_one_unit(some)
    item_ids = _merged_ids({name: part.item_ids for name, part in parts.items()})
    return Interactions(
        _merged_ids({name: part.user_ids for name, part in parts.items()}),
        item_ids,
        _shifted([part.users for part in some], [len(part.user_ids) for part in some]),
        _shifted([part.items for part in some], [len(part.item_ids) for part in some]),
        _concatenated([part.times for part in some]),
        _concatenated([part.ratings for part in some]),
        _merged_catalog(parts, item_ids),
        _merged_columns(
            {name: part.attributes for name, part in parts.items()},
            {name: len(part.user_ids) for name, part in parts.items()},
            _UNKNOWN,
        )
        | {COLUMN: [name for name, part in parts.items() for _ in part.user_ids]},
        {f"{what} ({name})": n for name, part in parts.items() for what, n in part.skipped.items()},
        tuple(f"{name}: {note}" for name, part in parts.items() for note in part.notes),
    )


def _sorted_by_time(part: Interactions) -> Interactions:
    """Sort events by time, so that file order is time order where times are dropped."""
    if part.times is None:
        return part
    key = part.times if part.sort_key is None else part.sort_key
    order = np.lexsort((key, part.users))
    return replace(
        part,
        precise=None,  # sorted by it, and the sort by time to come is stable
        users=part.users[order],
        items=part.items[order],
        times=part.times[order],
        ratings=None if part.ratings is None else part.ratings[order],
    )


def _in_one_unit(parts: list[Interactions]) -> list[Interactions]:
    """Give all parts milliseconds where one has them; seconds where those would be misread.

    Seconds before 1973 are, in milliseconds, what seconds of later years look like.
    """
    times = [np.zeros(0, dtype=np.int64) if part.times is None else part.times for part in parts]
    fine = [bool(own.max() >= LATEST_SECONDS) for own in times]
    if not any(fine):
        return parts
    coarse = [own for own, is_fine in zip(times, fine, strict=True) if not is_fine]
    if all(own.min() * 1000 >= LATEST_SECONDS for own in coarse):
        units = [own if is_fine else own * 1000 for own, is_fine in zip(times, fine, strict=True)]
    else:
        units = [own // 1000 if is_fine else own for own, is_fine in zip(times, fine, strict=True)]
    return [replace(part, times=own) for part, own in zip(parts, units, strict=True)]


def _merged_ids(ids: dict[str, list[str]]) -> list[str]:
    joined = [identity for some in ids.values() for identity in some]
    if len(set(joined)) == len(joined):
        return joined
    # A name holds no colon, so that the longer ids are distinct whatever the ids are.
    return [f"{name}:{identity}" for name, some in ids.items() for identity in some]


def _merged_catalog(parts: dict[str, Interactions], item_ids: list[str]) -> Catalog:
    catalogs = {name: part.catalog for name, part in parts.items()}
    columns = {name: catalog.columns for name, catalog in catalogs.items()}
    return Catalog(
        item_ids,
        [title for catalog in catalogs.values() for title in catalog.titles],
        [genres for catalog in catalogs.values() for genres in catalog.genres],
        [year for catalog in catalogs.values() for year in catalog.years],
        [text for catalog in catalogs.values() for text in catalog.descriptions],
        _merged_columns(columns, {name: c.num_items for name, c in catalogs.items()}, "")
        | {COLUMN: [name for name, catalog in catalogs.items() for _ in catalog.item_ids]},
    )


def _merged_columns(
    columns: dict[str, dict[str, list[str]]], sizes: dict[str, int], missing: str
) -> dict[str, list[str]]:
    """Merge columns; a domain that lacks one gets the missing value there."""
    names = list(dict.fromkeys(column for own in columns.values() for column in own))
    return {
        column: [
            value
            for name, own in columns.items()
            for value in own.get(column, [missing] * sizes[name])
        ]
        for column in names
    }


def _shifted(parts: Sequence[NDArray[np.int32]], sizes: Sequence[int]) -> NDArray[np.int32]:
    first = np.cumsum([0, *sizes[:-1]])
    shifted = [part + start for part, start in zip(parts, first, strict=True)]
    return np.concatenate(shifted).astype(np.int32)


def _concatenated(parts: Sequence[NDArray[Any] | None]) -> NDArray[Any] | None:
    arrays = [part for part in parts if part is not None]
    return np.concatenate(arrays) if len(arrays) == len(parts) else None
