"""RecBole's atomic files: tables with tabs and typed headers, ``user_id:token``, quoting off.

``X.inter`` holds the events, ``X.item`` and ``X.user``, where they exist, what is known of items
and users. Xu et al., CIKM 2023; https://recbole.io/docs/user_guide/data/atomic_files.html
"""

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import pandas as pd

from fedrec.data.interactions import Interactions
from fedrec.data.readers.raw.archives import LayoutFiles, Listing
from fedrec.data.readers.raw.csv_text import decoded
from fedrec.data.readers.tables import Columns, load_frame
from fedrec.errors import DataError

LAYOUTS = ("recbole",)

_TYPES = ("token", "token_seq", "float", "float_seq")
_GENRES = ("class", "genre", "genres", "categories", "category")
_YEARS = ("release_year", "year")
_YEAR = re.compile(r"\d{4}")


def detect(listing: Listing) -> LayoutFiles | None:
    """The atomic files of a folder or archive, None where there are no events.

    Raises:
        DataError: Events of several datasets.
    """
    names, only = listing.names, listing.only
    events = [name for name in names if name.endswith(".inter") and only in ("", name)]
    if len(events) > 1:
        files = ", ".join(sorted(PurePosixPath(name).name for name in events))
        raise DataError(
            f"{listing.root} holds several datasets of RecBole's ({files}); set data.source to the "
            "folder of the one meant"
        )
    if not events:
        return None
    stem = events[0].removesuffix(".inter")
    others = {"items": f"{stem}.item", "users": f"{stem}.user"}
    members = {"events": events[0]} | {key: name for key, name in others.items() if name in names}
    return LayoutFiles(LAYOUTS[0], PurePosixPath(events[0]).stem, listing.root, members)


def load(files: dict[str, bytes], names: dict[str, str], layout: str) -> Interactions:
    """Read atomic files; users and items are numbered as they first appear in the events.

    An item's title is its first field whose name ends in "title" or is "name", its genres the
    first of class, genre(s), categor(ies|y); other fields of tokens are texts of the item by their
    own names. A user's fields of single tokens are its attributes.

    Args:
        files: "events" and perhaps "items" and "users" to their bytes.
        names: The same keys to file names, for messages.
        layout: "recbole".

    Raises:
        DataError: The message names file and line of what is not as the headers say.
    """
    tables = {key: _table(data, PurePosixPath(names[key]).name) for key, data in files.items()}
    events = tables["events"]
    frame = {name: events.column(name) for name in ("user_id", "item_id")}
    frame |= {name: events.fields[name] for name in ("rating", "timestamp") if name in events.types}
    columns = Columns(
        user="user_id", item="item_id", time="timestamp" if "timestamp" in frame else ""
    )
    texts: list[str] = []
    if "items" in tables:
        roles = _roles(tables["items"])
        for name, values in _of_events(tables["items"], "item_id", frame["item_id"]).items():
            role = roles.get(name, name)
            if role not in frame:
                frame[role] = _genres(values) if role == "genres" else values
                texts += [role] if name not in roles else []
        if "year" in frame:  # what is no year is none
            frame["year"] = [value if _YEAR.fullmatch(value) else "" for value in frame["year"]]
    attributes: list[str] = []
    if "users" in tables:
        for name, values in _of_events(tables["users"], "user_id", frame["user_id"]).items():
            if tables["users"].types[name] == "token" and name not in frame:
                frame[name] = values
                attributes.append(name)
    columns = replace(columns, texts=tuple(texts), attributes=tuple(attributes))
    loaded = load_frame(
        pd.DataFrame(frame, dtype=object),
        columns,
        name=events.name,
        place=lambda row: f"{events.name}, line {events.lines[row]}",
        guess=False,
    )
    if "items" not in tables:
        return loaded
    listed = tables["items"].column("item_id")
    counts = {
        "items not in the catalogue": len(set(loaded.item_ids) - set(listed)),
        "repeated items": len(listed) - len(set(listed)),
    }
    return replace(
        loaded, skipped=loaded.skipped | {what: count for what, count in counts.items() if count}
    )


@dataclass(frozen=True)
class _Atomic:
    """Columns of a file by name, their types, and the line of each row."""

    name: str
    fields: dict[str, list[str]]
    types: dict[str, str]
    lines: list[int]

    def column(self, name: str) -> list[str]:
        if name not in self.fields:
            raise DataError(f"{self.name}, line 1: no column {name!r} in {list(self.fields)}")
        return self.fields[name]


def _table(data: bytes, name: str) -> _Atomic:
    lines = [line.rstrip("\r").split("\t") for line in decoded(data, name=name).split("\n")]
    header = [column.rpartition(":")[::2] for column in lines[0]]
    for place, (column, (field, kind)) in enumerate(zip(lines[0], header, strict=True)):
        if field in (other for other, _ in header[:place]):
            raise DataError(f"{name}, line 1: column {field!r} appears more than once")
        if not field or kind not in _TYPES:
            raise DataError(
                f"{name}, line 1: {column[:40]!r} is no typed column such as user_id:token; the "
                f"types are {', '.join(_TYPES)}"
            )
    rows, numbers = [], []
    for number, fields in enumerate(lines[1:], start=2):
        if fields == [""]:
            continue
        if len(fields) != len(header):
            raise DataError(
                f"{name}, line {number}: {len(fields)} fields, the header has {len(header)}"
            )
        rows.append(fields)
        numbers.append(number)
    if not rows:
        raise DataError(f"{name} has a header but no row")
    values = [list(column) for column in zip(*rows, strict=True)]
    return _Atomic(
        name,
        {field: column for (field, _), column in zip(header, values, strict=True)},
        dict(header),
        numbers,
    )


def _roles(items: _Atomic) -> dict[str, str]:
    """Fields of the items that have a place of their own in a catalogue -> that place."""
    text = [name for name, kind in items.types.items() if kind.startswith("token")]
    wanted = {
        "title": [name for name in text if name.endswith("title") or name == "name"],
        "genres": [name for name in text if name in _GENRES],
        "year": [name for name in items.types if name in _YEARS],
        "description": [name for name in text if name == "description"],
    }
    return {found[0]: role for role, found in wanted.items() if found}


def _of_events(table: _Atomic, key: str, ids: list[str]) -> dict[str, list[str]]:
    """The text fields of a table, one value for each event; "" where the table lacks the id.

    Of an id that comes again the first row counts.
    """
    place: dict[str, int] = {}
    for row, identity in enumerate(table.column(key)):
        place.setdefault(identity, row)
    rows = [place.get(identity) for identity in ids]
    return {
        name: ["" if row is None else values[row] for row in rows]
        for name, values in table.fields.items()
        if name != key and (table.types[name].startswith("token") or name in _YEARS)
    }


def _genres(values: list[str]) -> list[str]:
    """RecBole puts spaces between the tokens of a sequence, a table of events bars."""
    return ["|".join(value.split()) for value in values]
