"""One text of each item: what another row has fills a gap, spellings are no conflict."""

import pandas as pd
import pytest

from fedrec.data.readers.columns.texts import texts_of
from fedrec.data.readers.tables import Columns, load_frame
from fedrec.errors import DataError


def load(**columns):
    frame = pd.DataFrame({"user": ["u", "v", "w"], "item": "a", "time": [1, 2, 3], **columns})
    named = Columns(attributes=tuple(name for name in columns if name == "gender"))
    return load_frame(frame, named)


GAPS = {
    "title": ([None, "A", "A"], lambda data: data.catalog.titles, ["A"]),
    "genres": (["", "Drama|War", None], lambda data: data.catalog.genres, [("Drama", "War")]),
    "year": ([None, 1995, 1995], lambda data: data.catalog.years, [1995]),
    "description": ([" ", "long", ""], lambda data: data.catalog.descriptions, ["long"]),
}


@pytest.mark.parametrize("name", GAPS)
def test_a_text_that_one_row_lacks_is_that_of_another_row_and_counted(name):
    values, found, expected = GAPS[name]
    data = load(**{name: values})
    assert found(data) == expected
    gaps = sum(not str(value or "").strip() for value in values)
    assert data.skipped == {f"rows without a {name} that another row of the same id has": gaps}


SPELLINGS = {
    "title": (["The Matrix", "THE  MATRIX ", "The Matrix"], lambda d: d.catalog.titles),
    "description": (["Cafe\u0301", "Caf\u00e9", "Cafe\u0301"], lambda d: d.catalog.descriptions),
    "genres": (["War|Drama", "drama | war", "War|Drama"], lambda d: d.catalog.genres),
    "year": (["1995", "1995.0", "1995"], lambda d: d.catalog.years),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_another_spelling_keeps_the_first_and_is_counted(name):
    values, found = SPELLINGS[name]
    data = load(**{name: values})
    assert data.skipped == {f"rows with another spelling of a {name}": 1}
    assert found(data) == found(load(**{name: values[:1] * 3}))


@pytest.mark.parametrize(
    "columns",
    [
        {"title": ["One", "Two", None]},
        {"genres": ["War", "War|Drama", ""]},
        {"year": [1995, 1996, None]},
    ],
)
def test_two_texts_of_one_item_are_refused_still(columns):
    with pytest.raises(DataError, match=r"row 1: .* one id has one"):
        load(**columns)


def test_an_attribute_of_a_user_that_one_row_lacks_is_that_of_another():
    frame = pd.DataFrame(
        {"user": "u", "item": list("abc"), "time": [1, 2, 3], "gender": [None, "F", " f "]}
    )
    data = load_frame(frame, Columns(attributes=("gender",)))
    assert data.attributes == {"gender": ["F"]}
    assert data.skipped == {
        "rows without a gender that another row of the same id has": 1,
        "rows with another spelling of a gender": 1,
    }


def test_names_of_a_set_are_in_one_order_in_every_process():
    names = frozenset({"War", "Drama", "Comedy", "Noir"})
    assert texts_of(pd.Series([names, set(names)])) == ["Comedy|Drama|Noir|War"] * 2
