"""The files of the three raw MovieLens layouts as interactions: events, items, users."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedrec.data.catalog import Catalog
from fedrec.data.interactions import Interactions
from fedrec.data.readers.movielens_ratings import RatingColumns, read_ratings
from fedrec.data.readers.raw.csv_text import (
    checked_utf8,
    clean_texts,
    decoded,
    read_csv,
    read_fields,
)
from fedrec.errors import DataError

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


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Files of a release that tells about its users, and what their rows say.

    Attributes:
        ratings: Name of the file of ratings, and its separator.
        movies: Name of the file of movies, and its number of fields.
        users: Name of the file of users.
        separator: Separator of movies and users.
        genres: Function that reads the genres of a movie from its fields.
        attributes: Function that reads gender, age and occupation of a user from its fields and
            line.
    """

    ratings: tuple[str, str]
    movies: tuple[str, int]
    users: str
    separator: str
    genres: Callable[[list[str]], tuple[str, ...]]
    attributes: Callable[[list[str], int], tuple[str, str, str]]


def _load_with_users(files: dict[str, bytes], layout: _Layout) -> Interactions:
    (ratings, rating_separator), (name, num_fields) = layout.ratings, layout.movies
    events = read_ratings(files[ratings], name=ratings, separator=rating_separator)
    separator, of_users = layout.separator, layout.users
    movies = read_fields(files[name], name=name, separator=separator, num_fields=num_fields)
    users = read_fields(files[of_users], name=of_users, separator=separator, num_fields=5)
    attributes = [layout.attributes(row, line) for line, row in users]
    return _assemble(
        events,
        _ids(movies, name),
        [row[1] for _, row in movies],
        [layout.genres(row) for _, row in movies],
        user_numbers=_ids(users, of_users),
        attributes={
            kind: [one[column] for one in attributes]
            for column, kind in enumerate(("gender", "age", "occupation"))
        },
        zips=[row[4] for _, row in users],
    )


def _load_1m(files: dict[str, bytes]) -> Interactions:
    def attributes(row: list[str], line: int) -> tuple[str, str, str]:
        age = _AGES.get(_integer(row[2], "age", "users.dat", line), "other")
        return row[1], age, _occupation(row[3], line)

    layout = _Layout(
        ratings=("ratings.dat", "::"),
        movies=("movies.dat", 3),
        users="users.dat",
        separator="::",
        genres=lambda row: tuple(name for name in row[2].split("|") if name),
        attributes=attributes,
    )
    return _load_with_users(files, layout)


def _load_100k(files: dict[str, bytes]) -> Interactions:
    def genres(row: list[str]) -> tuple[str, ...]:
        flags = zip(_GENRES_100K, row[5:], strict=True)
        return tuple(name for name, flag in flags if flag == "1")

    layout = _Layout(
        ratings=("u.data", "\t"),
        movies=("u.item", 24),
        users="u.user",
        separator="|",
        genres=genres,
        attributes=lambda row, line: (
            row[2],
            _age_group(_integer(row[1], "age", "u.user", line)),
            row[3],
        ),
    )
    return _load_with_users(files, layout)


def _load_latest(files: dict[str, bytes]) -> Interactions:
    header, _, body = checked_utf8(files["ratings.csv"], name="ratings.csv").partition(b"\n")
    if header.decode().strip() != "userId,movieId,rating,timestamp":
        raise DataError(
            f"ratings.csv, line 1: {header.decode().splitlines()[:1]}, expected the header "
            "userId,movieId,rating,timestamp; check data.source and data.format"
        )
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


# Layout -> reads its files, file name -> bytes.
READERS: dict[str, Callable[[dict[str, bytes]], Interactions]] = {
    "ml-1m": _load_1m,
    "ml-100k": _load_100k,
    "ml-latest-small": _load_latest,
}
