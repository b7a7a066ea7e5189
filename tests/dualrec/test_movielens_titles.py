"""The titles of MovieLens 1M's thousand most frequent films, where the file is there."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from rapidfuzz import fuzz, process

from fedrec.data.readers.movielens import load_movielens
from fedrec.dualrec.title_forms import shown_titles
from fedrec.dualrec.titles import TitleIndex

FILE = Path(os.environ.get("FEDREC_DATA", "nowhere")) / "ml-1m.zip"
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="FEDREC_DATA has no ml-1m.zip")


@pytest.fixture(scope="module")
def catalog():
    read = load_movielens(FILE, "ml-1m")
    counts = np.bincount(read.items, minlength=read.catalog.num_items)
    return read.catalog.select(np.argsort(-counts, kind="stable")[:1000])


@pytest.fixture(scope="module")
def index(catalog):
    return TitleIndex(catalog)


@pytest.fixture(scope="module")
def shown(catalog):
    return shown_titles(catalog)


def parts(title):
    return re.fullmatch(r"(.+) \((\d{4})\)", title).groups()


FORMS = {
    "article behind": lambda raw, shown, genres: raw,
    "article in front": lambda raw, shown, genres: shown,
    "numbered": lambda raw, shown, genres: f"3. {shown}",
    "numbered, article behind": lambda raw, shown, genres: f"12) {raw}",
    "bold": lambda raw, shown, genres: f"**{shown}**",
    "bold and numbered": lambda raw, shown, genres: f"**2. {shown}**",
    "bold name": lambda raw, shown, genres: "1. **{}** ({})".format(*parts(shown)),
    "quoted": lambda raw, shown, genres: '- "{}" ({}),'.format(*parts(shown)),
    "with genres": lambda raw, shown, genres: f"{shown} - {', '.join(genres)}",
    "with genres as in the file": lambda raw, shown, genres: f"4. {raw} {'|'.join(genres)}",
    "genres in parentheses": lambda raw, shown, genres: f"{shown} ({', '.join(genres)})",
    "explained": lambda raw, shown, genres: f"{shown}: because you liked Quiet Oaks (1977).",
    "without alternatives": lambda raw, shown, genres: (
        f"{shown.partition(' (')[0]} ({parts(shown)[1]})"
    ),
    "capitals": lambda raw, shown, genres: shown.upper(),
    "year after a comma": lambda raw, shown, genres: "{}, {}".format(*parts(shown)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_title_is_matched_in_this_form(catalog, index, shown, form):
    missed = [
        item
        for item, (raw, title, genres) in enumerate(
            zip(catalog.titles, shown, catalog.genres, strict=True), start=1
        )
        if index.match(FORMS[form](raw, title, genres)).item != item
    ]
    assert missed == []


def test_no_title_matches_another_film_when_its_own_is_not_there(catalog, shown):
    confused = []
    for fold in range(4):
        kept = np.flatnonzero(np.arange(len(shown)) % 4 != fold)
        index = TitleIndex(catalog.select(kept))
        confused += [
            title
            for title in shown[fold::4]
            if index.match(title).item or index.match(f"2. {title}").item
        ]
    assert confused == []


@pytest.mark.parametrize(
    "change", ["{} 2 ({})", "{} II ({})", "{}: Part III ({})", "{} Returns ({})", "{}s ({})"]
)
def test_no_made_sequel_is_taken_for_the_film_before_it(index, shown, change):
    known = {title.casefold() for title in shown}
    made = [
        (item, title)
        for item, one in enumerate(shown, start=1)
        if (title := change.format(*parts(one))).casefold() not in known
    ]
    assert [title for item, title in made if index.match(title).item == item] == []


@pytest.mark.parametrize("years", [-30, -1, 1, 30])
def test_another_year_is_another_film(index, shown, years):
    confused = []
    for title in shown:
        name, year = parts(title)
        other = f"{name} ({int(year) + years})"
        if other not in shown and index.match(other).item:
            confused.append(other)
    assert confused == []


def test_no_pair_of_look_alikes_is_confused(catalog, shown):
    """Pairs that are alike by .8, the published threshold, each against a catalogue of the other.

    A catalogue of one film knows least of what other films are called: the hardest case.
    """
    alike = process.cdist(shown, shown, scorer=fuzz.ratio, processor=str.lower, score_cutoff=80)
    pairs = np.argwhere(np.triu(alike >= 80, k=1))
    assert len(pairs) > 50
    confused = []
    for pair in pairs:
        for own, other in (pair, pair[::-1]):
            match = TitleIndex(catalog.select(np.array([own]))).match(shown[other])
            confused += [(shown[own], shown[other])] if match.item else []
    assert confused == []
