"""Sequence files: lines ``user item item ...`` in the order of time, without times.

GRAM, OpenP5, S3-Rec and many others keep a user a line, SASRec and BERT4Rec an event a line
(``user item``): one rule reads both. What the items are may stand beside them, in ``items.tsv``,
``<name>.item.json`` or S3-Rec's ``<name>_item2attributes.json``.
"""

import io
import re
from array import array
from itertools import repeat
from pathlib import Path, PurePosixPath

import numpy as np

from fedrec.data.interactions import Interactions
from fedrec.data.readers.columns.usual_names import find_usual
from fedrec.data.readers.raw.archives import LayoutFiles, Listing
from fedrec.data.readers.raw.csv_text import decoded
from fedrec.data.readers.sequence_items import (
    ATTRIBUTES,
    item_attributes,
    item_records,
    sequence_catalog,
)
from fedrec.errors import DataError

LAYOUTS = ("sequences",)

_EVENTS = ("user_sequence.txt", "sequences.txt")
_LONGEST_HEADER = 10_000
_LOOKED_AT = 1 << 16  # bytes of a file by which sequences are told from a table
_BETWEEN = re.compile(r"[,;|\t]")  # of the columns of a table, never of the items of a sequence
_NOTE = "no times: the order in the file is the order of time"


def detect(listing: Listing) -> LayoutFiles | None:
    """The files of sequences and, if there are some, of items; None where there are none.

    A single file must end in .txt; in a folder or archive the known names are looked for. Numbers
    between blanks are sequences where every line has two of them, or lines differ in length.

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
    unsure = events[0] not in _EVENTS and listing.format != LAYOUTS[0]
    if unsure and not _are_numbers(root / only):
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
    attributes = PurePosixPath(events[0]).stem + ATTRIBUTES
    files |= {"attributes": attributes} if attributes in by_name else {}
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


def _are_numbers(path: Path) -> bool:
    """Whether a file holds numbers between blanks as no table of ratings does."""
    with path.open("rb") as file:
        head = file.read(_LOOKED_AT)
        is_whole = not file.read(1)
    lines = head.replace(b"\r\n", b"\n").split(b"\n")
    found = [line.split() for line in (lines if is_whole else lines[:-1]) if line.strip()]
    if not all(field.isdigit() for fields in found for field in fields) or b"\t" in head:
        return False
    lengths = {len(fields) for fields in found}
    return lengths == {2} or (len(lengths) > 1 and min(lengths) > 1)


def load(files: dict[str, bytes], names: dict[str, str], layout: str) -> Interactions:
    """Read sequences; the lines of a user, wherever they stand, follow one another.

    Items are numbered as their table lists them, those that it lacks behind it.

    Args:
        files: "events" and perhaps "items" and "attributes" to their bytes.
        names: The same keys to file names, for messages.
        layout: "sequences".

    Raises:
        DataError: The message names file and line of what cannot be read.
    """
    name = PurePosixPath(names["events"]).name
    records = item_records(files["items"], names["items"]) if "items" in files else {}
    attributes = (
        item_attributes(files["attributes"], names["attributes"]) if "attributes" in files else {}
    )
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
    catalog, counts = sequence_catalog(item_ids, records, attributes)
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
