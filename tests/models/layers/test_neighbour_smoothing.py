import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.models.layers.neighbour_smoothing import SHARPNESS, Lending
from fedrec.models.recommender import catalogue_of, folded

# Items 1 and 2 mean nearly the same, 3 is at a right angle to 1; nothing is said of 4.
MEANING = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 4.0], [0.0, 2.0], [0.0, 0.0], [5.0, 0.0]])
OWN = torch.tensor([[0.0], [1.0], [2.0], [4.0], [8.0], [16.0]])
ALL = torch.arange(6)


def lent(lending, frequency, items=ALL, own=OWN):
    return lending(
        items,
        own[items],
        meaning=MEANING,
        frequency=torch.tensor(frequency, dtype=torch.float32),
        vectors_of=lambda others: own[others],
    ).flatten()


def test_numbers_worked_out_by_hand():
    # Item 5 was never seen: its nearest are 1 (cosine 1) and 2 (cosine 3/5).
    found = lent(Lending(2, 0.0), [0.0, 10.0, 10.0, 10.0, 10.0, 0.0])
    first = 1 / (1 + math.exp((0.6 - 1) / SHARPNESS))
    assert found.tolist() == pytest.approx([0, 1, 2, 4, 8, first * 1 + (1 - first) * 2])


def test_who_was_seen_a_little_borrows_a_little():
    # Item 3, seen once, borrows from item 2 (cosine 4/5): 1 event of its own, 4 of its neighbour.
    found = lent(Lending(1, 4.0), [0.0, 1000.0, 1000.0, 1.0, 1.0, 1000.0])
    assert found.tolist() == pytest.approx([0, 1, 2, (1 * 4 + 4 * 2) / 5, 8, 16])


@pytest.mark.parametrize(
    ("neighbours", "frequency"),
    [(3, [0.0] * 6), (3, [0.0] + [500.0] * 5)],
    ids=["counts are not shared", "all were seen often"],
)
def test_nobody_borrows(neighbours, frequency):
    assert torch.equal(lent(Lending(neighbours, 4.0), frequency), OWN.flatten())


@settings(deadline=None)
@given(st.data())
def test_what_an_item_borrows_does_not_depend_on_who_else_is_asked_for(data):
    stream = np.random.default_rng(data.draw(st.integers(0, 99)))
    frequency = [0.0, *stream.integers(0, 3, size=5).astype(float)]
    lending = Lending(data.draw(st.integers(1, 4)), data.draw(st.sampled_from([0.0, 2.5])))
    whole = lent(lending, frequency)
    some = torch.tensor(data.draw(st.lists(st.integers(0, 5), min_size=1, unique=True)))
    torch.testing.assert_close(lent(lending, frequency, some), whole[some])
    torch.testing.assert_close(lent(lending, frequency), whole)


def test_counts_that_change_are_seen():
    lending = Lending(1, 0.0)
    assert lent(lending, [0.0, 1.0, 1.0, 1.0, 1.0, 0.0])[5] == 1  # of item 1
    assert lent(lending, [0.0, 0.0, 1.0, 1.0, 1.0, 0.0]).tolist() == [0, 2, 2, 4, 8, 2]  # of item 2


def test_a_model_scores_an_unseen_item_as_the_mean_of_its_lenders(make_tiny):
    model = make_tiny(neighbours=2, neighbour_events=0.0).eval()
    assert model.lending is not None
    model.frequency.fill_(3.0)
    model.frequency[[0, 7]] = 0.0
    items = torch.arange(len(model.frequency))
    own = model.output_vectors(model.look_up(items))
    vectors = catalogue_of(model, len(items) - 1).vectors
    meaning = model.views["semantic"].table
    cosines = torch.nn.functional.cosine_similarity(meaning[7], meaning, dim=1)
    cosines[[0, 7]] = -2
    best = cosines.topk(2)
    expected = (best.values / SHARPNESS).softmax(0) @ own[best.indices]
    torch.testing.assert_close(vectors[7], expected)
    others = items[items != 7]
    assert torch.equal(vectors[others], own[others])
    torch.testing.assert_close(folded(model, items), vectors)
    torch.testing.assert_close(folded(model, torch.tensor([7]))[0], expected)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"neighbours": 2, "views": "identity,content"},
        {"neighbours": 2, "views": "semantic,content"},
        {"neighbours": 2, "private": "identity"},
    ],
)
def test_no_model_lends_what_it_does_not_have_or_may_not_show(make_tiny, changes):
    assert make_tiny(**changes).lending is None
