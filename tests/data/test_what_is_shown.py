"""What Python and a notebook show of data: a line or a card, however many events there are."""

import numpy as np
import pandas as pd
import pytest

import fedrec
from fedrec.data.readers.tables import Columns, load_frame


@pytest.fixture(scope="module")
def events():
    items = np.add.outer(np.arange(500), np.arange(8)).ravel() % 20
    titles = [f"<i>film</i> {item}" for item in items]
    return pd.DataFrame(
        {"user": np.repeat(np.arange(500), 8), "item": items, "time": 1, "title": titles}
    )


def test_a_dataset_is_shown_in_one_line(events):
    dataset = fedrec.Dataset.from_frame(events, name="films")
    assert repr(dataset) == "<Dataset films: 500 users, 20 items, 4,000 events>"
    assert repr(dataset.catalog) == "<Catalog of 20 items>"
    assert repr(dataset.sequences) == "<Sequences of 500 users: 4,000 events, with times>"
    loaded = load_frame(events, Columns(), name="films")
    assert repr(loaded) == "<Interactions: 4,000 events of 500 users and 20 items>"


def test_a_dataset_is_shown_as_a_card(events):
    shown = fedrec.Dataset.from_frame(events, name="films")._repr_html_()
    assert len(shown) < 3000
    for words in ("Dataset films", "8 to 8, median 8", "titles"):
        assert words in shown
    assert "genres" not in shown
