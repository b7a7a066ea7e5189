"""Frozen tables of signals and of a user's own vectors."""

import numpy as np
import pytest

from fedrec.data.catalog import Catalog
from fedrec.errors import DataError
from fedrec.semantics.encoders import Encoder
from fedrec.semantics.item_vectors import ItemVectors
from fedrec.semantics.view_tables import text_view, vector_view
from fedrec.semantics.whitening import reduced

KNOWN = {"red": [4.0, 0.0, 1.0], "blue": [0.0, 2.0, 0.0], "old": [1.0, 1.0, 1.0], "new": [0, 0, 8]}
CATALOG = Catalog(["a", "b", "c"], ["A", "B", "C"], [()] * 3, [None] * 3, [""] * 3)


def encode(texts):
    return np.array([KNOWN[text] for text in texts], dtype=np.float32)


ENCODER = Encoder("colours", "", "", "0" * 64, 3, encode)


@pytest.mark.parametrize("whiten", [True, False])
def test_the_mean_is_of_raw_vectors_over_the_kinds_that_an_item_has(tmp_path, whiten):
    texts = [["red", "", "blue", ""], ["old", "new", "", ""]]
    table = text_view(texts, ENCODER, width=2, whiten=whiten, home=tmp_path)
    red, old, new, blue = ENCODER.encode(["red", "old", "new", "blue"]).astype(np.float64)
    means = np.stack([(red + old) / 2, new, blue])
    expected = reduced(means, 2, whiten=whiten).vectors
    assert table.shape == (5, 2)
    np.testing.assert_array_equal(table[[1, 2, 3]], expected)
    assert not table[[0, 4]].any()  # the padding, and the item that has no signal


def test_a_signal_is_read_and_its_words_decide(tmp_path):
    one = text_view([["red", "blue", "old"]], ENCODER, width=2, whiten=True, home=tmp_path)
    again = text_view([["red", "blue", "old"]], ENCODER, width=2, whiten=True, home=tmp_path)
    other = text_view([["red", "blue", "new"]], ENCODER, width=2, whiten=True, home=tmp_path)
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0.1
    with pytest.raises(ValueError, match="read-only"):
        one[1, 0] = 0.0


def test_equal_texts_say_nothing(tmp_path):
    assert not text_view([["red"] * 3], ENCODER, width=2, whiten=True, home=tmp_path).any()


def test_vectors_are_joined_by_id_and_reduced_over_the_known(tmp_path):
    vectors = np.array([[1.0, 0.0], [0.0, 3.0], [9.0, 9.0]], dtype=np.float32)
    found = ItemVectors(["c", "a", "unknown"], vectors, "f" * 64)
    table = vector_view(found, CATALOG, path="v.npz", width=8, whiten=True, home=tmp_path)
    assert table.shape == (4, 2)  # no wider than the vectors
    np.testing.assert_array_equal(table[[1, 3]], reduced(vectors[[1, 0]], 2, whiten=True).vectors)
    assert not table[[0, 2]].any()


def test_vectors_of_another_catalogue_are_refused(tmp_path):
    found = ItemVectors(["x"], np.ones((1, 2), dtype=np.float32), "f" * 64)
    with pytest.raises(DataError, match="vectors of 1 items, such as 'x', of which none"):
        vector_view(found, CATALOG, path="v.npz", width=2, whiten=True, home=tmp_path)
