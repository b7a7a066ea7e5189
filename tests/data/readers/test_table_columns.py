"""Cells of a table as texts."""

import pandas as pd
import pytest

from fedrec.data.readers.tables import Columns, load_frame


@pytest.mark.parametrize("kind", [set, frozenset])
def test_genres_given_as_a_set_are_sorted(kind):
    genres = [kind(["War", "Drama", "Crime", "Action", "Noir"])] * 2
    frame = pd.DataFrame({"user": ["a", "b"], "item": ["x", "x"], "time": [1, 2], "genres": genres})
    catalog = load_frame(frame, Columns()).catalog
    assert catalog.genres == [("Action", "Crime", "Drama", "Noir", "War")]
