"""Titles in the forms in which people and models write them, and those that must not match."""

import importlib.util
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.data.catalog import Catalog
from fedrec.dualrec.title_forms import names_of, shown_titles, split_year
from fedrec.dualrec.titles import TitleIndex
from fedrec.errors import ResourceError
from tests.dualrec.conftest import catalog_of


@pytest.mark.parametrize(
    ("text", "item"),
    [
        ("The Glass Orchard (1999)", 1),
        ("Glass Orchard, The (1999)", 1),
        ("Glass Orchard (1999)", 1),
        ("the glass orchard", 1),
        ("Glass Orchard, The", 1),
        ("Glass Orchard 2 (2001)", 2),
        ("Glass Orchard II", 2),
        ("Glass Orchard Two (2001)", 2),
        ("Glass Orchard 3", 3),
        ("Harrow Lane (1998)", 5),
        ("Harrow Lane [1960]", 4),
        ("Harrow Lane, 1960", 4),
        ("3017: A Tidal Oddity", 6),
        ("1. 3017: A Tidal Oddity (1968)", 6),
        ("14 Patient Bakers", 7),
        ("3) 14 Patient Bakers (1957)", 7),
        ("Fourteen Patient Bakers (1957)", 0),  # numbers are read up to twelve
        ("La Lantern (The Night Lamp) (1994)", 8),
        ("La Lantern", 8),
        ("The Night Lamp", 9),  # a main title before an alternative one
        ("The Night Lamp (1994)", 8),  # unless the year says otherwise
        ("The Night Lamp (La Lantern)", 8),
        ("Road Menders 2", 10),
        ("The Gravel King (1981)", 10),
        ("Road Menders 2 (also known as The Gravel King)", 10),
        ("Queribus", 11),
        ("1984", 18),
        ("1984 (1984)", 18),
        ("The Good, the Sad and the Tired (1966)", 17),
        ("Good, the Sad & the Tired", 17),
    ],
)
def test_a_title_is_found_in_each_of_its_forms(index, text, item):
    assert index.match(text).item == item


@pytest.mark.parametrize(
    "text",
    [
        "3. {}",
        "3) {}",
        "(3) {}",
        "[3] {}",
        "- {}",
        "**{}**",
        "1. **{}**",
        "**1. {}**",
        "**1.** {}",
        '"{}"',
        "\u201c{}\u201d,",
        "Movie 2: {}",
        "{} - Comedy, Film-Noir",
        "{} | Comedy | Drama",
        "{} (Comedy, Film-Noir)",
        "{} Comedy|Film-Noir",
        "{} - because you liked Harrow Lane (1960)",
        "{}: this film is close to Kettle (1979) in its mood.",
        "4. **{}** \u2013 A quiet film about apples.",
        "**{}**: Apples, and what they mean.",
    ],
)
def test_what_is_around_a_title_is_taken_off(index, text):
    assert index.match(text.format("The Glass Orchard (1999)")).item == 1
    assert index.match(text.format("14 Patient Bakers (1957)")).item == 7


@pytest.mark.parametrize(
    "text",
    [
        "Harrow Lane",  # two films
        "3. Harrow Lane",
    ],
)
def test_a_name_of_several_items_is_ambiguous_without_its_year(index, text):
    assert index.match(text).kind == "ambiguous"


@pytest.mark.parametrize(
    "text",
    [
        "Glass Orchard 4 (2007)",
        "Glass Orchard IV",
        "Glass Orchard (Part 2) (1999)",
        "Glass Orchard 2 (1999)",
        "The Glass Orchards (1999)",
        "Kettle II",
        "Kettle 2 (1979)",
        "Kettle - Reborn (1979)",
        "Kettle: Reborn",
        "'Kettle': The Making of Tea (1979) - Comedy",
        "Kettler (1979)",
        "Harrow Lane (1997)",
        "15 Patient Bakers (1957)",
        "3018: A Tidal Oddity (1968)",
        "1985 (1985)",
        "Road Menders (1979)",
        "Road Menders",
        "Road Menders 3",
        "Young Glass Orchard (1999)",
        "",
        "...",
        "(1999)",
        "\u00bfqu\u00e9?",
    ],
)
def test_look_alikes_never_match(index, text):
    assert index.match(text).kind == "unknown"


@pytest.mark.parametrize(
    ("text", "item"),
    [
        ("Wanderers of the Nothern Shore (1983)", 15),  # a letter is missing
        ("Wanderers of the Nothern Shore", 15),  # long enough without its year
        ("Wandreers of the Northern Shore (1983)", 15),  # two letters have changed places
        ("The Glass Orhcard (1999)", 1),
        ("Glass Orhcard", 0),  # too short without its year
        ("Wanderers of the Nothern Shore (1984)", 0),  # another year
        ("Wanderers of the Nothern Shore 2", 0),
        ("Wanderers of the Southern Shore", 0),
        ("The Glass Orcharb (1999)", 0),  # another ending may be another word
        ("Glass Kettle (1999)", 0),  # a word of another title is no misspelling
    ],
)
def test_a_misspelled_name_matches_only_where_it_can_be_no_other(index, text, item):
    match = index.match(text)
    assert (match.item, match.kind) == (item, "misspelled" if item else "unknown")


def test_misspelled_names_can_be_left_out(catalog):
    strict = TitleIndex(catalog, misspelled=False)
    assert strict.match("Wanderers of the Nothern Shore (1983)").kind == "unknown"


def test_without_rapidfuzz_one_line_says_what_to_install(catalog, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "rapidfuzz" else found(name)
    )
    with pytest.raises(ResourceError, match=r"needs rapidfuzz.*pip install 'rapidfuzz>=3\.14'"):
        TitleIndex(catalog)
    assert TitleIndex(catalog, misspelled=False).match("Kettle").item == 12


def test_a_number_in_front_that_may_be_the_titles_own_is_ambiguous():
    index = TitleIndex(catalog_of(["3 Ferries (1992)", "Ferries (1980)"]))
    assert index.match("3. Ferries").kind == "ambiguous"
    assert index.match("3. Ferries (1980)").item == 2
    assert index.match("1. 3 Ferries").item == 1


def test_equal_titles_are_never_told_apart_by_chance():
    index = TitleIndex(catalog_of(["Twin (1990)", "Twin (1990)"]))
    assert index.match("Twin (1990)").kind == "ambiguous"


def test_the_catalogues_year_counts_as_the_titles():
    catalog = Catalog(["a", "b"], ["Twin", "Twin"], [(), ()], [1990, 2000], ["", ""])
    assert TitleIndex(catalog).match("Twin (2000)").item == 2
    assert shown_titles(catalog) == ["Twin (1990)", "Twin (2000)"]


def test_items_without_years_match_by_name():
    catalog = Catalog(["a", "b"], ["Salt Scrub, 250 ml", ""], [(), ()], [None] * 2, [""] * 2)
    index = TitleIndex(catalog)
    assert index.match("salt scrub 250 ml").item == 1
    assert index.match("salt scrub 500 ml").item == 0
    assert shown_titles(catalog) == ["Salt Scrub, 250 ml", "item b"]


def test_names_and_years_are_split():
    names = names_of("Lantern, La (a.k.a. The Night Lamp) (Lampe, La)")
    assert (names.main, names.others) == ("La Lantern", ("The Night Lamp", "La Lampe"))
    assert names_of("Kettle (Part 2)").main == "Kettle Part 2"
    assert split_year("Kettle 2049 (2017)") == ("Kettle 2049", 2017)
    assert split_year("Kettle 2017") == ("Kettle 2017", None)
    assert split_year("Kettle 2017", bare=True) == ("Kettle", 2017)
    assert split_year("(1999)") == ("(1999)", None)


WORD = st.text(string.ascii_lowercase, min_size=1, max_size=6)
NAME = st.lists(WORD | st.integers(0, 30).map(str), min_size=1, max_size=4).map(" ".join)
TITLE = st.tuples(NAME, st.integers(1930, 2005)).map(lambda pair: f"{pair[0].title()} ({pair[1]})")


@settings(max_examples=60)
@given(st.lists(TITLE, min_size=1, max_size=8, unique_by=str.lower))
def test_every_title_with_its_year_finds_itself_or_is_ambiguous(titles):
    index = TitleIndex(catalog_of(titles))
    for item, title in enumerate(titles, start=1):
        match = index.match(title)
        assert match.item == item or match.kind == "ambiguous"


@settings(max_examples=60)
@given(st.text(max_size=80))
def test_any_text_is_matched_to_an_item_or_none(text):
    index = TitleIndex(catalog_of(["Kettle (1979)", "14 Bakers (1957)"]))
    match = index.match(text)
    assert match.item in (0, 1, 2)
    assert (match.item > 0) == (match.kind in ("name", "misspelled"))
