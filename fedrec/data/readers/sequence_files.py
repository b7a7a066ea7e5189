"""Sequence files: lines ``user item item ...`` in the order of time, without times.

GRAM, OpenP5 and many others keep a user a line, SASRec an event a line (``user item``): one rule
reads both. What the items are may stand beside them, in ``items.tsv`` or ``<name>.item.json``.
"""

import io
import json
import re
from array import array
from collections.abc import Mapping
from itertools import repeat
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from fedrec.data.interactions import Interactions
from fedrec.data.readers.amazon_products import product_catalog
from fedrec.data.readers.columns.usual_names import find_usual
from fedrec.data.readers.raw.archives import LayoutFiles, Listing
from fedrec.data.readers.raw.csv_text import decoded
from fedrec.errors import DataError

LAYOUTS = ("sequences",)

_EVENTS = ("user_sequence.txt", "sequences.txt")
_LONGEST_HEADER = 10_000
_BETWEEN = re.compile(r"[,;|\t]")  # of the columns of a table, never of the items of a sequence
_NOTE = "no times: the order in the file is the order of time"


def detect(listing: Listing) -> LayoutFiles | None:
    """The files of sequences and, if there are some, of items; None where there are none.

    A single file must end in .txt; in a folder or archive the known names are looked for.

    Raises:
        DataError: A .txt that may just as well be a table of ratings; several tables of items.
    """
    only, root = listing.only, listing.root
    by_name = {PurePosixPath(name).name: name for name in listing.names}
    wanted = [only] if only.endswith(".txt") else [] if only else _EVENTS
    events = [file for file in wanted if file in by_name]
    if len(events) != 1:
        return None
    if only and listing.format == "auto" and _names_columns(root / only):
        return None
    if events[0] not in _EVENTS and listing.format != LAYOUTS[0]:
        raise DataError(
            f"{events[0]} may hold sequences or a table: set data.format = {LAYOUTS[0]!r} if each "
            "line is a user and its items in the order of time, or save a table as .csv or .tsv"
        )
    own = PurePosixPath(events[0]).stem + ".item.json"
    tables = [file for file in ("items.tsv", own) if file in by_name]
    if not tables and events[0] in _EVENTS:  # which say nothing of the dataset's name
        tables = [file for file in by_name if file.endswith(".item.json")]
    if len(tables) > 1:
        raise DataError(
            f"{root} holds several tables of items ({', '.join(sorted(tables))}); keep the one of "
            f"{events[0]} beside it"
        )
    files = {"events": events[0]} | ({"items": tables[0]} if tables else {})
    members = {key: by_name[file] for key, file in files.items()}
    return LayoutFiles(LAYOUTS[0], (only or root.name).partition(".")[0], root, members)


def _names_columns(path: Path) -> bool:
    """Whether the first line of a file names a user and an item: it is a table's, then."""
    with path.open("rb") as file:
        line = file.readline(_LONGEST_HEADER).decode("utf-8-sig", errors="replace")
    names = [name.strip(' "\r\n') for name in _BETWEEN.split(line)]
    try:
        return all(find_usual(role, names, taken=(), table=path.name) for role in ("user", "item"))
    except DataError:  # several of them: named, too
        return True


def load(files: dict[str, bytes], names: dict[str, str], layout: str) -> Interactions:
    """Read sequences; the lines of a user, wherever they stand, follow one another.

    Items are numbered as their table lists them, those that it lacks behind it.

    Args:
        files: "events" and perhaps "items" to their bytes.
        names: The same keys to file names, for messages.
        layout: "sequences".

    Raises:
        DataError: The message names file and line of what cannot be read.
    """
    name = PurePosixPath(names["events"]).name
    records = _records(files["items"], names["items"]) if "items" in files else {}
    user_number: dict[str, int] = {}
    item_number = {item: number for number, item in enumerate(records)}
    users, items = array("i"), array("i")  # a list takes nine times the memory
    lines = io.StringIO(decoded(files["events"], name=name), newline="\n")
    for line, text in enumerate((one.removesuffix("\n") for one in lines), start=1):
        fields = text.split()
        if not fields:
            continue
        if len(fields) < 2:
            raise DataError(
                f"{name}, line {line}: {text[:60]!r} holds no item; expected a user and its items "
                "in the order of time, between spaces"
            )
        user = user_number.setdefault(fields[0], len(user_number))
        users.extend(repeat(user, len(fields) - 1))
        items.extend(item_number.setdefault(item, len(item_number)) for item in fields[1:])
    if not users:
        raise DataError(f"{name} is empty; it needs a user and its items on each line")
    item_ids = list(item_number)
    # Without a table there is nothing that an item could be missing from.
    catalog, counts = product_catalog(item_ids, records or {item: {} for item in item_ids})
    if not records:
        counts = {}
    return Interactions(
        list(user_number),
        item_ids,
        np.array(users, dtype=np.int32),
        np.array(items, dtype=np.int32),
        None,
        None,
        catalog,
        {},
        counts,
        (_NOTE,),
    )


def _records(data: bytes, path: str) -> Mapping[str, Mapping[str, Any]]:
    """Item id -> its fields, in the order of the file."""
    name = PurePosixPath(path).name
    text = decoded(data, name=name)
    if name.endswith(".json"):
        try:
            records = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{name} is no JSON: {error}") from None
        if not isinstance(records, dict) or not all(
            isinstance(record, dict) for record in records.values()
        ):
            raise DataError(f"{name} must be an object of item ids, each with an object of fields")
        return records
    lines = [line.rstrip("\r").split("\t") for line in text.split("\n")]
    header = lines[0]
    if "title" not in header[1:]:
        raise DataError(f"{name}, line 1: columns {header}, expected an id first and a title")
    found: dict[str, dict[str, Any]] = {}
    for number, fields in enumerate(lines[1:], start=2):
        if fields == [""]:
            continue
        if len(fields) != len(header):
            raise DataError(
                f"{name}, line {number}: {len(fields)} fields, the header has {len(header)}"
            )
        if fields[0] in found:
            raise DataError(f"{name}, line {number}: id {fields[0]!r} again; an id is one item")
        found[fields[0]] = dict(zip(header[1:], fields[1:], strict=True))
    return found
