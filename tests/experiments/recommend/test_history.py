"""Histories as they are typed: ids as they stand, titles with a bar between."""

import pytest

from experiments.recommend.history import history_in, item_ids
from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError, DataError
from fedrec.inference.titles import ItemFinder

IDS = ["1", "2", "3, 4", " 5", "1,2", "a b", "7"]
TITLES = ["Harbour Lights", "Harbour", "Kiln, Clay and Glaze", "Twin", "Twin", "2", "Harbour II"]
YEARS = [1990, 1991, None, 1960, 1995, None, 2000]


@pytest.fixture
def finder():
    catalog = Catalog(IDS, TITLES, [()] * 7, YEARS, [""] * 7)
    return ItemFinder(catalog)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["2,1"], ["2", "1"]),
        ([" 2 , 1 "], ["2", "1"]),
        (["3, 4"], ["3, 4"]),
        ([" 5"], [" 5"]),
        (["1,2"], ["1,2"]),  # an id of the catalogue comes before two
        (["2", "3, 4", "1, 5"], ["2", "3, 4", "1", " 5"]),
        (["Harbour|Harbour Lights"], ["2", "1"]),
        (["Kiln, Clay and Glaze"], ["3, 4"]),  # a title that holds a comma
        (["harbour lights (1990)|2| 1"], ["1", "2", "1"]),  # an id comes before the title "2"
        (["Harbour Ligths"], ["1"]),
        (["Twin (1995)"], ["1,2"]),
    ],
)
def test_a_value_is_an_id_else_ids_or_titles(values, expected, finder):
    assert item_ids(values, finder) == expected


@pytest.mark.parametrize("value", ["", ",", "1,,2", " ", "Harbour|"])
def test_an_empty_item_is_refused_and_says_how_a_comma_is_given(value, finder):
    with pytest.raises(ConfigError, match="given whole, by a --history of its own"):
        item_ids([value], finder)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("Twin", r"the title of 2 items: Twin \(1960\) \(id  5\), Twin \(1995\) \(id 1,2\); name"),
        ("9,a b", "'9,a b' is neither the id nor the title of one of the 7 items"),
        ("Lights", r"is one of these meant: Harbour Lights \(1990\) \(id 1\)\?"),
        ("Habour Ligts", r"is one of these meant: Harbour Lights"),
    ],
)
def test_a_text_of_no_item_or_several_lists_those_that_may_be_meant(value, words, finder):
    with pytest.raises(DataError, match=words):
        item_ids([value], finder)


def test_without_rapidfuzz_titles_are_matched_exactly_and_the_line_says_what_to_install(
    finder, monkeypatch
):
    monkeypatch.setattr("fedrec.inference.titles._has_rapidfuzz", lambda: False)
    assert finder.find("HARBOUR lights") == "1"
    with pytest.raises(DataError, match=r"pip install 'fedrec\[llm\]'"):
        finder.find("Harbour Ligths")


def test_a_search_finds_words_by_their_beginnings_the_beginning_of_a_title_first(finder):
    assert finder.search("harb") == [2, 7, 1]
    assert finder.search("lig harb") == [1]
    assert finder.search("clay") == [3]
    assert finder.search("a b")[0] == 6  # an id
    assert finder.search("arbour") == []
    assert finder.search(" ") == []
    assert finder.search("harb", limit=1) == [2]


def test_a_file_holds_one_item_a_line_as_it_stands(tmp_path, finder):
    path = tmp_path / "history"
    path.write_text("\ufeff3, 4\n\n 5\r\nHarbour\n", encoding="utf-8")
    assert history_in(path, finder) == ["3, 4", " 5", "2"]
    path.write_bytes(b"\xff\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        history_in(path, finder)
    path.write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        history_in(path, finder)
