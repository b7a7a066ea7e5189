"""Two shops under one model: a history is answered from its own shop's shelves."""

import dataclasses

import numpy as np
import pytest

from fedrec.config.config import Config
from fedrec.data.preparation.store import Dataset
from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError, DataError
from fedrec.inference.recommender import ReadyRecommender
from fedrec.inference.search import ItemSearch

SHOPS = ["x"] * 25 + ["y"] * 15  # of items i1, i2, ...
X, Y = ["i3", "i9", "i9"], ["i40", "i27"]


@pytest.fixture
def whole(catalogue, make_tiny):
    """The same model over the same items as one shop."""
    catalog = dataclasses.replace(catalogue, columns={"domain": SHOPS})
    sequences = Sequences(np.array([1, 2, 25, 26, 40, 27], dtype=np.int32), np.array([0, 3, 6]))
    attributes = {"domain": ["x", "y"]}
    dataset = Dataset("tiny", catalog, sequences, ["u", "v"], attributes, "", {})
    search = ItemSearch(make_tiny(), 40, 10, score_bytes=28)  # 7 items at a time
    return ReadyRecommender("tiny", Config(), dataset, catalog, search)


@pytest.fixture
def shops(whole):
    joined = dataclasses.replace(whole.dataset, manifest={"facts": {"domains": ["x", "y"]}})
    return dataclasses.replace(whole, dataset=joined)


@pytest.mark.parametrize(("history", "shop"), [("u", "x"), ("v", "y"), (X, "x"), (Y, "y")])
@pytest.mark.parametrize("exclude", [True, False])
def test_a_list_is_the_whole_one_without_the_other_shop(shops, whole, history, shop, exclude):
    own = {f"i{n}" for n, name in enumerate(SHOPS, start=1) if name == shop}
    everything = whole.recommend(history, k=100, exclude=exclude)
    expected = [one.item for one in everything if one.item in own]
    found = [one.item for one in shops.recommend(history, k=100, exclude=exclude)]
    assert found == expected
    assert [shops.rank_of(item, history, exclude=exclude) for item in found] == [
        *range(1, len(found) + 1)
    ]


def test_histories_of_both_shops_are_answered_in_their_order(shops):
    histories = [X, Y, "u", "v"]
    together = shops.recommend_many(histories, k=20)
    assert [len(found) for found in together] == [20, 13, 20, 12]
    for history, found in zip(histories, together, strict=True):
        assert [one.item for one in found] == [one.item for one in shops.recommend(history, k=20)]


def test_what_is_near_is_of_the_same_shop(shops, whole):
    expected = [one for one in whole.nearest("i30", k=39) if int(one.item[1:]) > 25]
    found = shops.nearest("i30", k=39)
    assert [one.item for one in found] == [one.item for one in expected]
    assert len(found) == 14


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda r: r.recommend(["i25", "i26"]), "a history cannot hold items of x and y"),
        (lambda r: r.rank_of("i26", X), "'i26' is of another domain than the history"),
        (lambda r: r.with_items(["A"]), "of which each offers its own \\(x, y\\)"),
    ],
)
def test_what_crosses_shops_is_refused(shops, call, words):
    with pytest.raises((ConfigError, DataError), match=words):
        call(shops)
