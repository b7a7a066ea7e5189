"""Items added after training: catalogue entries, and a model with embeddings for them."""

import copy
import logging
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError, DataError
from fedrec.models.recommender import Recommender
from fedrec.semantics.texts import title_and_year

log = logging.getLogger(__name__)

# View that can embed a cold item -> the array with its features.
FEATURES_OF = {"semantic": "views.semantic.table", "content": "views.content.table"}
IDENTITY = "views.identity.rows"


def catalog_entries(
    catalog: Catalog,
    titles: Sequence[str],
    *,
    ids: Sequence[str] | None = None,
    genres: Sequence[Sequence[str]] | None = None,
    years: Sequence[int | None] | None = None,
    descriptions: Sequence[str] | None = None,
    columns: Mapping[str, Sequence[str]] | None = None,
) -> Catalog:
    """Make catalogue entries of new items.

    Args:
        catalog: Catalogue they are added to.
        titles: Titles of the n items; a year at the end of one is its year, if ``years`` has none.
        ids: Ids that are not in the catalogue; "new-1", "new-2", ... if none are given.
        genres: Genres of each item; those that the catalogue lacks count in the text only.
        years: Year of each item, None where unknown.
        descriptions: Description of each item.
        columns: Further text columns, of those that the catalogue has.

    Raises:
        DataError: An id that is taken, no item, one without any description, columns of different
            lengths, unknown ones or such that hold something else.
    """
    if isinstance(titles, str) or not isinstance(titles, Collection) or not len(titles):
        raise DataError(f"titles must be a list of at least one title, got {titles!r}")
    n = len(titles)
    texts = [("titles", titles), ("ids", ids), ("descriptions", descriptions)]
    for what, values in [*texts, *(columns or {}).items()]:
        _check_column(what, values, "text", _is_text)
    _check_column("years", years, "a whole number or None", _is_year)
    _check_column("genres", genres, "a list of names", _is_list_of_texts)
    if unknown := sorted(set(columns or {}) - set(catalog.columns)):
        raise DataError(
            f"the catalogue has no column {unknown[0]!r}; its further columns are "
            f"{', '.join(catalog.columns) or 'none'}"
        )
    given: list[int | None] = [None] * n if years is None else list(years)
    items = Catalog(
        item_ids=list(ids) if ids is not None else _free_ids(catalog, n),
        titles=list(titles),
        genres=[_in_order(names) for names in ([()] * n if genres is None else genres)],
        years=given if len(given) != n else list(map(_year, titles, given)),
        descriptions=[""] * n if descriptions is None else list(descriptions),
        columns={name: list((columns or {}).get(name, [""] * n)) for name in catalog.columns},
    )
    _check_known(items)
    taken = set(catalog.item_ids)
    for place, identity in enumerate(items.item_ids):
        if identity in taken or identity in items.item_ids[:place]:
            raise DataError(f"item id {identity!r} is taken; give the new item another")
    names = set(catalog.genre_names())
    if foreign := sorted({name for each in items.genres for name in each} - names):
        log.warning(
            "genres of new items that are none of the catalogue's and are left out: %d (%s); it "
            "has %s",
            len(foreign),
            ", ".join(map(repr, foreign)),
            ", ".join(sorted(names)[:10]) + (", ..." if len(names) > 10 else "") or "none",
        )
    return items


def _check_column(what: str, values: object, must: str, holds: Callable[[object], bool]) -> None:
    """Check that a column is a list whose entries all hold the condition."""
    if values is None:
        return
    if isinstance(values, str) or not isinstance(values, Collection):
        raise DataError(f"{what} must be a list, an entry for each new item, got {values!r}")
    for value in values:
        if not holds(value):
            raise DataError(f"each entry of {what} must be {must}, got {value!r}")


def _in_order(names: Collection[str]) -> tuple[str, ...]:
    """Names as they are given; those of a set, whose order hangs on the process, sorted."""
    return tuple(sorted(names) if isinstance(names, set | frozenset) else names)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_year(value: object) -> bool:
    return value is None or (isinstance(value, int | np.integer) and not isinstance(value, bool))


def _is_list_of_texts(value: object) -> bool:
    if isinstance(value, str) or not isinstance(value, Collection):
        return False
    return all(map(_is_text, value))


def _check_known(items: Catalog) -> None:
    """Refuse an item without any text, genre or year: all such items would have one embedding."""
    texts = zip(items.titles, items.descriptions, *items.columns.values(), strict=True)
    for place, (words, names, year) in enumerate(
        zip(texts, items.genres, items.years, strict=True), start=1
    ):
        if not names and year is None and not any(text.strip() for text in words):
            raise DataError(f"new item {place} has an empty title and nothing else is said of it")


def _year(title: str, year: int | None) -> int | None:
    return title_and_year(title, year)[1]


def _free_ids(catalog: Catalog, n: int) -> list[str]:
    taken = set(catalog.item_ids)
    found: list[str] = []
    number = 0
    while len(found) < n:
        number += 1
        if f"new-{number}" not in taken:
            found.append(f"new-{number}")
    return found


def extended(catalog: Catalog, items: Catalog) -> Catalog:
    """Append items to a catalogue."""
    return Catalog(
        catalog.item_ids + items.item_ids,
        catalog.titles + items.titles,
        catalog.genres + items.genres,
        catalog.years + items.years,
        catalog.descriptions + items.descriptions,
        {name: values + items.columns[name] for name, values in catalog.columns.items()},
    )


def cold_item_views(model: Recommender) -> list[str]:
    """List the views that can embed a cold item.

    Raises:
        ConfigError: There is none.
    """
    arrays = set(model.item_arrays)
    views = [name for name in model.view_names if FEATURES_OF.get(name) in arrays]
    if not views:
        raise ConfigError(
            f"this model knows items by {', '.join(model.view_names)} alone, which an item added "
            "after training does not have; train a hybrid with the view 'semantic' or 'content' "
            "in model.views"
        )
    if others := sorted(set(model.view_names) - {"identity", *FEATURES_OF}):
        raise ConfigError(
            f"this model has the view {others[0]!r}, made of the catalogue that it was "
            "trained with; an item added after training has none"
        )
    return views


def with_new_items(model: Recommender, rows: Mapping[str, Tensor], num_new: int) -> Recommender:
    """Copy a model and add new items, numbered V + 1, V + 2, ...

    They are cold (frequency 0). Their ID embedding is the one that training would have started
    from, if that comes from the text, and else zeros, which the gate knows from identity dropout.
    How much weight the gate gives to an untrained ID embedding depends on the data.
    All but the arrays with a row per item is copied; those are made anew, so both models together
    hold twice their memory.

    Args:
        model: Model of items 0..V.
        rows: View -> (num_new, width of its table), of ``cold_item_views``; and "identity" -> rows
            (num_new, D) to start from, if there are any.
        num_new: Number of new items.
    """
    by_array = {(FEATURES_OF | {"identity": IDENTITY})[view]: each for view, each in rows.items()}
    longer: dict[int, object] = {}
    for name in model.item_arrays:
        owner, _, attribute = name.rpartition(".")
        array = getattr(model.get_submodule(owner), attribute)
        added = by_array.get(name)
        if added is None:
            added = array.new_zeros(num_new, *array.shape[1:])
        together = torch.cat([array.detach(), added.to(array)])
        is_trained = isinstance(array, torch.nn.Parameter)
        longer[id(array)] = torch.nn.Parameter(together) if is_trained else together
    # What the memo names is taken for a copy that is made already.
    return copy.deepcopy(model, longer)
