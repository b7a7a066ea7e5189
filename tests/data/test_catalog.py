import json
from dataclasses import replace

import numpy as np
import pytest

from fedrec.data.catalog import Catalog
from fedrec.errors import DataError


def small_catalog(**changes):
    parts = {
        "item_ids": ["a", "b", "c"],
        "titles": ["A", "B", "C"],
        "genres": [("War", "Action"), (), ("War",)],
        "years": [1990, None, 1994],
        "descriptions": ["", "", ""],
        "columns": {"brand": ["x", "y", "z"]},
    }
    return Catalog(**{**parts, **changes})


def test_genres_are_multi_hot_in_sorted_order_below_an_empty_padding_row():
    catalog = small_catalog()
    assert catalog.genre_names() == ["Action", "War"]
    assert catalog.genre_matrix().tolist() == [[0, 0], [1, 1], [0, 0], [0, 1]]


def test_years_are_standardised_over_the_known_ones():
    # mean 1992, deviation 2: 1990 -> -1, 1994 -> +1, unknown -> 0
    assert small_catalog().content_features()[:, -1].tolist() == [0, -1, 0, 1]


def test_a_catalogue_of_one_year_has_no_division_by_zero():
    features = small_catalog(years=[1990, 1990, 1990]).content_features()
    assert features[:, -1].tolist() == [0, 0, 0, 0]


def test_without_genre_and_year_there_is_one_column_of_ones():
    features = small_catalog(genres=[(), (), ()], years=[None] * 3).content_features()
    assert features.tolist() == [[0], [1], [1], [1]]
    assert features.dtype == np.float32


def test_json_brings_the_same_catalogue_back():
    catalog = small_catalog()
    assert Catalog.from_json(json.loads(json.dumps(catalog.to_json()))) == catalog


def test_selecting_entries_keeps_their_columns_together():
    chosen = small_catalog().select(np.array([2, 0]))
    assert (chosen.titles, chosen.years) == (["C", "A"], [1994, 1990])
    assert chosen.columns == {"brand": ["z", "x"]}


@pytest.mark.parametrize("part", ["titles", "genres", "years", "descriptions"])
def test_a_short_column_is_refused_by_name(part):
    with pytest.raises(DataError, match=f"3 items but 1 entries in '{part}'"):
        small_catalog(**{part: [None]})


def test_a_strange_stored_catalogue_is_refused():
    with pytest.raises(DataError, match="not in the form"):
        Catalog.from_json({"item_ids": ["a"]})


def test_other_items_are_described_by_the_genres_and_years_of_the_catalogue(catalogue):
    features = catalogue.content_features()
    np.testing.assert_array_equal(catalogue.content_of(catalogue.select([4, 9])), features[[5, 10]])
    odd = replace(catalogue.select([4]), genres=[("Jazz", *catalogue.genres[4])])
    np.testing.assert_array_equal(catalogue.content_of(odd), features[[5]])
