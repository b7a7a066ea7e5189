"""What the items of sequences are: a table or an object of records, and attributes of S3-Rec."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from fedrec.data.catalog import Catalog
from fedrec.data.readers.amazon_products import product_catalog
from fedrec.data.readers.raw.csv_text import decoded
from fedrec.data.readers.raw.tab_rows import tab_rows
from fedrec.errors import DataError

ATTRIBUTES = "_item2attributes.json"  # ending of S3-Rec's files; Zhou et al., CIKM 2020
Records = Mapping[str, Mapping[str, Any]]


def item_records(data: bytes, path: str) -> Records:
    """Item id -> its fields, in the order of the file: TSV with an id and a title, or JSON.

    Raises:
        DataError: The message names the line that cannot be read.
    """
    name = PurePosixPath(path).name
    if name.endswith(".json"):
        records = _json_object(data, name)
        if not all(isinstance(record, dict) for record in records.values()):
            raise DataError(f"{name} must be an object of item ids, each with an object of fields")
        return records
    header, rows = tab_rows(data, name)
    if "title" not in header[1:]:
        raise DataError(f"{name}, line 1: columns {header}, expected an id first and a title")
    found: dict[str, dict[str, Any]] = {}
    for number, fields in rows:
        if fields[0] in found:
            raise DataError(f"{name}, line {number}: id {fields[0]!r} again; an id is one item")
        found[fields[0]] = dict(zip(header[1:], fields[1:], strict=True))
    return found


def item_attributes(data: bytes, path: str) -> dict[str, tuple[str, ...]]:
    """Item id -> its attributes, of an object ``{"1": [3, 17], ...}``.

    Raises:
        DataError: It is another.
    """
    name = PurePosixPath(path).name
    found = _json_object(data, name)
    for item, values in found.items():
        if not isinstance(values, list) or not all(
            isinstance(value, str | int) and not isinstance(value, bool) for value in values
        ):
            raise DataError(
                f"{name}: item {item!r} has {str(values)[:40]}, expected a list of numbers or names"
            )
    return {
        item: tuple(dict.fromkeys(str(value) for value in values)) for item, values in found.items()
    }


def sequence_catalog(
    item_ids: Sequence[str], records: Records, attributes: Mapping[str, tuple[str, ...]]
) -> tuple[Catalog, dict[str, int]]:
    """The catalogue of the items of sequences, and what was repaired or is missing -> how often.

    Attributes are the genres of an item, all of them: a model's content view has a column for each.

    Args:
        item_ids: V ids.
        records: Fields of the items; empty where there is no table.
        attributes: Attributes of the items; empty where there is no file of them.
    """
    # Without a table there is nothing that an item could be missing from.
    catalog, counts = product_catalog(item_ids, records or {item: {} for item in item_ids})
    counts = counts if records else {}
    if not attributes:
        return catalog, counts
    lacking = sum(item not in attributes for item in item_ids)
    counts |= {"items without attributes": lacking} if lacking else {}
    return replace(catalog, genres=[attributes.get(item, ()) for item in item_ids]), counts


def _json_object(data: bytes, name: str) -> dict[str, Any]:
    try:
        found = json.loads(decoded(data, name=name))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise DataError(f"{name} must be an object of item ids, each with an object of fields")
    return found
