"""A table of items beside a file that holds events alone, such as one of sequences."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedrec.data.catalog import Catalog
from fedrec.data.interactions import Interactions
from fedrec.data.readers.columns.chosen import Columns
from fedrec.data.readers.columns.usual_names import told
from fedrec.data.readers.sequence_items import item_attributes, item_records, sequence_catalog
from fedrec.data.readers.table_files.guess import usual_of_items
from fedrec.data.readers.table_files.items import (
    items_catalog,
    joined_ids,
    joined_items,
)
from fedrec.data.readers.table_files.read import read_table

_KEY = "data.items"


def with_items(interactions: Interactions, columns: Columns) -> Interactions:
    """Describe the items of events by the table that ``data.items`` names.

    Items are numbered as the table lists them, those that it lacks behind them. It is a table with
    columns, or a JSON object of item ids: each with an object of fields, or with a list of
    attributes, as S3-Rec has them. Genres that the events' own files tell stay where the table has
    none.

    Args:
        interactions: Events whose files say little of the items.
        columns: The table's path, and its columns.

    Raises:
        DataError: The message names the row and the column that cannot be used.
        ResourceError: A package that reads the format is missing.
    """
    path = Path(columns.items)
    data = path.read_bytes() if path.suffix.lower() == ".json" and path.is_file() else b""
    notes: list[str] = []
    if (known := _object_of_ids(data)) is not None:
        joined = joined_ids(list(known), interactions.items, interactions.item_ids)
        is_attributes = all(isinstance(value, list) for value in known.values())
        attributes = item_attributes(data, path.name) if is_attributes else {}
        records = {} if is_attributes else item_records(data, path.name)
        catalog, repaired = sequence_catalog(joined.item_ids, records, attributes)
        counts = joined.counts | repaired
    else:
        table = read_table(path, _KEY)
        table.check_shape()
        joined = joined_items(table, columns.item, interactions.items, interactions.item_ids)
        columns, found = usual_of_items(table, columns, joined.rows, joined.item_ids)
        catalog, repaired = items_catalog(table, columns, joined.rows, joined.item_ids)
        counts = joined.counts | repaired
        notes = [told(found)] if found else []
    return replace(
        interactions,
        items=joined.items,
        item_ids=joined.item_ids,
        catalog=_with_own_genres(catalog, interactions.catalog),
        skipped=_own_counts(interactions)
        | {what: count for what, count in counts.items() if count},
        notes=(*notes, *interactions.notes),
    )


def _object_of_ids(data: bytes) -> dict[str, Any] | None:
    """The object of a JSON file whose values are all objects, or all lists; None for a table."""
    if not data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):  # JSON lines, or what the table's reader names
        return None
    kinds = {type(value) for value in found.values()}
    return found if kinds in ({dict}, {list}) else None


def _with_own_genres(catalog: Catalog, before: Catalog) -> Catalog:
    if any(catalog.genres) or not any(before.genres):
        return catalog
    known = dict(zip(before.item_ids, before.genres, strict=True))
    return replace(catalog, genres=[known.get(item, ()) for item in catalog.item_ids])


def _own_counts(interactions: Interactions) -> dict[str, int]:
    """What was skipped, without what was lacking in a catalogue that is replaced."""
    replaced = ("items not in the catalogue", "items without a title")
    return {what: count for what, count in interactions.skipped.items() if what not in replaced}
