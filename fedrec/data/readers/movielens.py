"""The raw layouts of MovieLens 1M, 100K and latest-small, from a folder or an archive.

The licences forbid redistribution and commercial use: no row of these files is in this repository.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path, PurePosixPath

from fedrec.data.interactions import Interactions
from fedrec.data.readers.movielens_tables import READERS
from fedrec.data.readers.raw.archives import LayoutFiles, Listing, list_files, read_files
from fedrec.data.readers.raw.csv_text import clean_texts, decoded
from fedrec.errors import DataError

# Files of each layout: events, items, users (where there are any).
LAYOUTS: dict[str, tuple[str, ...]] = {
    "ml-1m": ("ratings.dat", "movies.dat", "users.dat"),
    "ml-100k": ("u.data", "u.item", "u.user"),
    "ml-latest-small": ("ratings.csv", "movies.csv"),
}

# Files that may come with a layout: texts of the items, item id -> text, as a JSON object.
DESCRIPTIONS = {"ml-1m": "dbpedia_abstracts.json"}

# Files known by their hash not to be what GroupLens published.
_NOTES = {
    "fa91188700c427e32d89cba6c93cf666df346b9f1bb5c661834aa9d822d59e3e": (
        "ratings.dat is a reconstruction: users, items, ratings and each user's order are exact, "
        "24.3 % of the timestamps are interpolated"
    )
}


def detect(listing: Listing) -> LayoutFiles | None:
    """The files of a MovieLens layout, None where there is none.

    Raises:
        DataError: A layout is asked for and one of its files is missing, or there are two of it.
    """
    if listing.format not in ("auto", *LAYOUTS):
        return None
    if listing.only:
        if listing.format == "auto":
            return None
        raise DataError(
            f"{listing.root / listing.only} is one file; {listing.format} needs the folder or "
            "archive around it"
        )
    layout = _layout_of(listing.names) if listing.format == "auto" else listing.format
    if layout is None:
        return None
    members = _members(listing, layout)
    optional = DESCRIPTIONS.get(layout, "")
    key = {"descriptions": optional} if optional in members else {}
    return LayoutFiles(layout, layout, listing.root, members, key)


def load(files: dict[str, bytes], names: dict[str, str], layout: str) -> Interactions:
    """Read one of the three raw layouts, with the items' descriptions where they lie beside it.

    Users are listed as in the users file (latest-small has none: as numbered there), items as in
    the movies file; titles stay raw. Ids in the events that the movies file lacks get an empty
    title and are counted.

    Args:
        files: File names of the layout to their bytes.
        names: The same keys to names in the archive.
        layout: One of ``LAYOUTS``.

    Raises:
        DataError: The message names file, line and field of what is not as the layout says.
    """
    interactions = READERS[layout](files)
    texts = files.get(DESCRIPTIONS.get(layout, ""))
    if texts is not None:
        interactions = _described(interactions, texts, DESCRIPTIONS[layout])
    known = [note for data in files.values() if (note := _NOTES.get(sha256(data).hexdigest()))]
    return replace(interactions, notes=tuple(known))


def load_movielens(path: Path, layout: str) -> Interactions:
    """Read the folder, zip or tar of a layout, see ``load``.

    Args:
        path: Folder, zip or tar that holds the files.
        layout: "ml-1m", "ml-100k" or "ml-latest-small".

    Raises:
        DataError: A file is missing, or names file, line and field of what is not as it should be.
    """
    members = _members(Listing(path, tuple(list_files(path)), format=layout), layout)
    contents = read_files(path, members.values())
    return load({file: contents[name] for file, name in members.items()}, members, layout)


def _layout_of(names: Iterable[str]) -> str | None:
    """Which layout some files have, None for another than MovieLens's."""
    found = {PurePosixPath(name).name for name in names}
    return next((layout for layout, files in LAYOUTS.items() if {*files[:2]} <= found), None)


def _members(listing: Listing, layout: str) -> dict[str, str]:
    """File name of the layout -> name in the folder or archive."""
    found = {}
    optional = DESCRIPTIONS.get(layout)
    for file in filter(None, (*LAYOUTS[layout], optional)):
        matches = [name for name in listing.names if PurePosixPath(name).name == file]
        if file == optional and not matches:
            continue
        if len(matches) != 1:
            seen = f"{len(matches)} files {file}" if matches else f"no file {file}"
            raise DataError(
                f"{listing.root} holds {seen}, the {layout} layout needs exactly one; "
                "check data.source and data.format"
            )
        found[file] = matches[0]
    return found


def _described(interactions: Interactions, data: bytes, name: str) -> Interactions:
    """The interactions with descriptions from a JSON object of item id -> text."""
    try:
        found = json.loads(decoded(data, name=name))
    except ValueError as error:
        raise DataError(f"{name}: {error}; the file is damaged") from None
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise DataError(f"{name} must be one JSON object of item id -> text; the file is another")
    catalog = interactions.catalog
    texts, repaired = clean_texts([found.get(item_id, "") for item_id in catalog.item_ids])
    unknown = len(found.keys() - set(catalog.item_ids))
    counts = {f"descriptions: {what}": n for what, n in repaired.items()}
    counts |= {"descriptions of items not in the catalogue": unknown} if unknown else {}
    return replace(
        interactions,
        catalog=replace(catalog, descriptions=texts),
        skipped={**interactions.skipped, **counts},
    )
