"""The raw layouts of MovieLens 1M, 100K and latest-small, from a folder or an archive.

The licences forbid redistribution and commercial use: no row of these files is in this repository.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from fedrec.data.catalog import Catalog
from fedrec.data.interactions import Interactions
from fedrec.data.readers.archives import list_files, read_files
from fedrec.data.readers.csv_text import clean_texts, decoded, read_csv, read_fields
from fedrec.data.readers.movielens_ratings import RatingColumns, read_ratings
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

_YEAR = re.compile(r"\((\d{4})\)\s*$")
_ZIP = re.compile(r"\d{5}(-\d{4})?")

# The legends of ML-1M's README; ML-100K's ages in years are put into the same groups.
_AGES = {1: "under 18", 18: "18-24", 25: "25-34", 35: "35-44", 45: "45-49", 50: "50-55", 56: "56+"}
_OCCUPATIONS = (
    "other or not specified",
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
)
_GENRES_100K = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)


def layout_of(path: Path) -> str | None:
    """Which MovieLens layout a folder or archive holds, None when it is another.

    Raises:
        DataError: the archive is damaged or unsafe.
    """
    names = {PurePosixPath(name).name for name in list_files(path)}
    for layout, files in LAYOUTS.items():
        if {files[0], files[1]} <= names:
            return layout
    return None


def members_of(path: Path, layout: str) -> dict[str, str]:
    """Where the files of a layout are: file name of the layout -> name in the folder or archive.

    Raises:
        DataError: one of the files is missing or there are two of it.
    """
    names = list_files(path)
    found = {}
    optional = DESCRIPTIONS.get(layout)
    for file in filter(None, (*LAYOUTS[layout], optional)):
        matches = [name for name in names if PurePosixPath(name).name == file]
        if file == optional and not matches:
            continue
        if len(matches) != 1:
            seen = f"{len(matches)} files {file}" if matches else f"no file {file}"
            raise DataError(
                f"{path} holds {seen}, the {layout} layout needs exactly one; "
                "check data.source and data.format"
            )
        found[file] = matches[0]
    return found


def load_movielens(path: Path, layout: str) -> Interactions:
    """Read one of the three raw layouts, with the items' descriptions where they lie beside it.

    Users are listed as in the users file (latest-small has none: as numbered there), items as in
    the movies file; titles stay raw. Ids in the events that the movies file lacks get an empty
    title and are counted.

    Args:
        path: folder, zip or tar that holds the files.
        layout: "ml-1m", "ml-100k" or "ml-latest-small".

    Raises:
        DataError: names file, line and field of what is not as the layout says.
    """
    members = members_of(path, layout)
    contents = read_files(path, members.values())
    files = {file: contents[name] for file, name in members.items()}
    interactions = _READERS[layout](files)
    texts = files.get(DESCRIPTIONS.get(layout, ""))
    if texts is not None:
        interactions = _described(interactions, texts, DESCRIPTIONS[layout])
    known = [note for data in files.values() if (note := _NOTES.get(sha256(data).hexdigest()))]
    return replace(interactions, notes=tuple(known))


def _load_1m(files: dict[str, bytes]) -> Interactions:
    events = read_ratings(files["ratings.dat"], name="ratings.dat", separator="::")
    movies = read_fields(files["movies.dat"], name="movies.dat", separator="::", num_fields=3)
    genres = [tuple(name for name in row[2].split("|") if name) for _, row in movies]
    users = read_fields(files["users.dat"], name="users.dat", separator="::", num_fields=5)
    ages = [_AGES.get(_integer(row[2], "age", "users.dat", line), "other") for line, row in users]
    jobs = [_occupation(row[3], line) for line, row in users]
    attributes = {"gender": [row[1] for _, row in users], "age": ages, "occupation": jobs}
    return _assemble(
        events,
        _ids(movies, "movies.dat"),
        [row[1] for _, row in movies],
        genres,
        user_numbers=_ids(users, "users.dat"),
        attributes=attributes,
        zips=[row[4] for _, row in users],
    )


def _load_100k(files: dict[str, bytes]) -> Interactions:
    events = read_ratings(files["u.data"], name="u.data", separator="\t")
    movies = read_fields(files["u.item"], name="u.item", separator="|", num_fields=24)
    genres = [
        tuple(name for name, flag in zip(_GENRES_100K, row[5:], strict=True) if flag == "1")
        for _, row in movies
    ]
    users = read_fields(files["u.user"], name="u.user", separator="|", num_fields=5)
    ages = [_age_group(_integer(row[1], "age", "u.user", line)) for line, row in users]
    attributes = {
        "gender": [row[2] for _, row in users],
        "age": ages,
        "occupation": [row[3] for _, row in users],
    }
    return _assemble(
        events,
        _ids(movies, "u.item"),
        [row[1] for _, row in movies],
        genres,
        user_numbers=_ids(users, "u.user"),
        attributes=attributes,
        zips=[row[4] for _, row in users],
    )


def _load_latest(files: dict[str, bytes]) -> Interactions:
    text = decoded(files["ratings.csv"], name="ratings.csv")
    if text.split("\n", 1)[0].strip() != "userId,movieId,rating,timestamp":
        raise DataError(
            f"ratings.csv, line 1: {text.splitlines()[:1]}, expected the header "
            "userId,movieId,rating,timestamp; check data.source and data.format"
        )
    body = text.partition("\n")[2].encode()
    events = read_ratings(body, name="ratings.csv", separator=",", half_stars=True, first_line=2)
    table = read_csv(decoded(files["movies.csv"], name="movies.csv"), name="movies.csv")
    if list(table.columns) != ["movieId", "title", "genres"]:
        raise DataError(
            f"movies.csv, line 1: columns {list(table.columns)}, expected movieId,title,genres"
        )
    rows = [(table.lines[i], [number]) for i, number in enumerate(table.columns["movieId"])]
    genres = [
        () if names == "(no genres listed)" else tuple(name for name in names.split("|") if name)
        for names in table.columns["genres"]
    ]
    numbers = np.unique(events.users)
    return _assemble(
        events, _ids(rows, "movies.csv"), table.columns["title"], genres, user_numbers=numbers
    )


_READERS: dict[str, Callable[[dict[str, bytes]], Interactions]] = {
    "ml-1m": _load_1m,
    "ml-100k": _load_100k,
    "ml-latest-small": _load_latest,
}


def _assemble(
    events: RatingColumns,
    item_numbers: NDArray[np.int64],
    titles: list[str],
    genres: list[tuple[str, ...]],
    *,
    user_numbers: NDArray[np.int64],
    attributes: dict[str, list[str]] | None = None,
    zips: list[str] | None = None,
) -> Interactions:
    skipped: dict[str, int] = {}
    missing = np.setdiff1d(events.items, item_numbers)
    if len(missing):
        skipped["items not in the catalogue"] = len(missing)
        item_numbers = np.concatenate([item_numbers, missing])
        titles = [*titles, *[""] * len(missing)]
        genres = [*genres, *[()] * len(missing)]
    attributes = dict(attributes or {})
    if zips is not None:
        attributes["zip"], malformed = _zip_regions(zips)
        if malformed:
            skipped["malformed zip codes"] = malformed
    unknown = np.setdiff1d(events.users, user_numbers)
    if len(unknown):
        skipped["users not in the users file"] = len(unknown)
        user_numbers = np.concatenate([user_numbers, unknown])
        attributes = {name: [*v, *["other"] * len(unknown)] for name, v in attributes.items()}
    titles, repaired = clean_texts(titles)
    item_ids = [str(number) for number in item_numbers]
    years = [int(match[1]) if (match := _YEAR.search(title)) else None for title in titles]
    return Interactions(
        [str(number) for number in user_numbers],
        item_ids,
        _positions(events.users, user_numbers),
        _positions(events.items, item_numbers),
        events.times,
        events.ratings,
        Catalog(item_ids, titles, genres, years, [""] * len(item_ids)),
        attributes,
        {**skipped, **repaired},
    )


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


def _positions(values: NDArray[np.int64], listed: NDArray[np.int64]) -> NDArray[np.int32]:
    order = np.argsort(listed)
    return order[np.searchsorted(listed, values, sorter=order)].astype(np.int32)


def _ids(rows: list[tuple[int, list[str]]], name: str) -> NDArray[np.int64]:
    numbers = [_integer(row[0], "id", name, line) for line, row in rows]
    first: dict[int, int] = {}
    for number, (line, _) in zip(numbers, rows, strict=True):
        if number in first:
            raise DataError(
                f"{name}, line {line}: id {number} is already on line {first[number]}; "
                "an id stands for one entry"
            )
        first[number] = line
    return np.array(numbers, dtype=np.int64)


def _integer(value: str, what: str, name: str, line: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise DataError(f"{name}, line {line}: {what} {value!r} is not a whole number")
    return int(value)


def _occupation(value: str, line: int) -> str:
    code = _integer(value, "occupation", "users.dat", line)
    return _OCCUPATIONS[code] if code < len(_OCCUPATIONS) else "other"


def _age_group(years: int) -> str:
    return _AGES[max([start for start in _AGES if start <= years], default=1)]


def _zip_regions(zips: list[str]) -> tuple[list[str], int]:
    """First digit of US zip codes, "other" for what is none, and how many those are."""
    regions = [value[0] if _ZIP.fullmatch(value) else "other" for value in zips]
    return regions, regions.count("other")
