"""RecBole's atomic files: tables with tabs and typed headers, ``user_id:token``, quoting off.

``X.inter`` holds the events, or ``X.train.inter``, ``X.valid.inter`` and ``X.test.inter`` together,
which may have histories as lists; ``X.item`` and ``X.user``, where they exist, what is known of
items and users. Xu et al., CIKM 2023; https://recbole.io/docs/user_guide/data/atomic_files.html
"""

import re
from dataclasses import replace
from pathlib import PurePosixPath

import pandas as pd

from fedrec.data.interactions import Interactions
from fedrec.data.readers.atomic.lists import LIST, unrolled, user_column
from fedrec.data.readers.atomic.table import AtomicTable, atomic_table
from fedrec.data.readers.columns import Place
from fedrec.data.readers.raw.archives import LayoutFiles, Listing
from fedrec.data.readers.tables import Columns, load_frame
from fedrec.errors import DataError

LAYOUTS = ("recbole",)

_GENRES = ("class", "genre", "genres", "categories", "category")
_YEARS = ("release_year", "year")
_YEAR = re.compile(r"\d{4}")
_PARTS = ("train", "valid", "test")
_SPLIT = "the split into train, valid and test files is not used: each user's last item is the test"


def detect(listing: Listing) -> LayoutFiles | None:
    """The atomic files of a folder or archive, None where there are no events.

    Raises:
        DataError: Events of several datasets.
    """
    names, only = listing.names, listing.only
    events = [name for name in names if name.endswith(".inter") and only in ("", name)]
    stems = sorted({_stem(name) for name in events})
    if len(stems) > 1:
        files = ", ".join(sorted(PurePosixPath(name).name for name in events))
        raise DataError(
            f"{listing.root} holds several datasets of RecBole's ({files}); set data.source to the "
            "folder of the one meant"
        )
    if not events:
        return None
    stem = stems[0]
    whole = f"{stem}.inter"
    wanted = (
        {"events": whole} if whole in events else {part: f"{stem}.{part}.inter" for part in _PARTS}
    )
    wanted |= {"items": f"{stem}.item", "users": f"{stem}.user"}
    members = {key: name for key, name in wanted.items() if name in names}
    return LayoutFiles(LAYOUTS[0], PurePosixPath(stem).name, listing.root, members)


def _stem(name: str) -> str:
    """Name of a file of events without its endings, of a split or of all."""
    stem = name.removesuffix(".inter")
    return next(
        (stem.removesuffix(f".{part}") for part in _PARTS if stem.endswith(f".{part}")), stem
    )


def load(files: dict[str, bytes], names: dict[str, str], layout: str) -> Interactions:
    """Read atomic files; users and items are numbered as they first appear in the events.

    An item's title is its first field whose name ends in "title" or is "name", its genres the
    first of class, genre(s), categor(ies|y); other fields of tokens are texts of the item by their
    own names. A user's fields of single tokens are its attributes.

    Args:
        files: "events", or parts of the split, and perhaps "items" and "users" to their bytes.
        names: The same keys to file names, for messages.
        layout: "recbole".

    Raises:
        DataError: The message names file and line of what is not as the headers say.
    """
    tables = {
        key: atomic_table(data, PurePosixPath(names[key]).name) for key, data in files.items()
    }
    parts = [table for key, table in tables.items() if key not in ("items", "users")]
    frame, name, place = _events(parts)
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
        name=name,
        place=place,
        guess=False,
    )
    if "events" not in tables:
        loaded = replace(loaded, notes=(*loaded.notes, _SPLIT))
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


def _events(parts: list[AtomicTable]) -> tuple[dict[str, list[str]], str, Place]:
    """Columns of the events by the names of RecBole, the name of their file, and a row's place."""
    first = parts[0]
    if any(LIST in part.types for part in parts):
        unrolled_events = unrolled(parts)
        users = unrolled_events["user_id"]
        return unrolled_events, first.name, lambda row: f"{first.name}, user {users[row]!r}"
    frame = {
        "user_id": [value for part in parts for value in part.column(user_column(part))],
        "item_id": [value for part in parts for value in part.column("item_id")],
    }
    for name in ("rating", "timestamp"):
        if name in first.types:
            frame[name] = [value for part in parts for value in part.column(name)]
    places = [(part.name, line) for part in parts for line in part.lines]
    return frame, first.name, lambda row: "{}, line {}".format(*places[row])


def _roles(items: AtomicTable) -> dict[str, str]:
    """Fields of the items that have a place of their own in a catalogue -> that place."""
    text = [name for name, kind in items.types.items() if kind.startswith("token")]
    wanted = {
        "title": [name for name in text if name.endswith("title") or name == "name"],
        "genres": [name for name in text if name in _GENRES],
        "year": [name for name in items.types if name in _YEARS],
        "description": [name for name in text if name == "description"],
    }
    return {found[0]: role for role, found in wanted.items() if found}


def _of_events(table: AtomicTable, key: str, ids: list[str]) -> dict[str, list[str]]:
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
