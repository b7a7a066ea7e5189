import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrec.models.layers.neighbour_smoothing import TEMPERATURE, NeighbourSmoothing
from fedrec.models.recommender import catalogue_of, output_embeddings

# Items 1 and 2 mean nearly the same, 3 is at a right angle to 1; nothing is said of 4.
MEANING = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 4.0], [0.0, 2.0], [0.0, 0.0], [5.0, 0.0]])
OWN = torch.tensor([[0.0], [1.0], [2.0], [4.0], [8.0], [16.0]])
ALL = torch.arange(6)


def smoothed(smoothing, frequency, items=ALL, own=OWN):
    return smoothing(
        items,
        own[items],
        semantic=MEANING,
        frequency=torch.tensor(frequency, dtype=torch.float32),
        vectors_of=lambda others: own[others],
    ).flatten()


def test_numbers_worked_out_by_hand():
    # Item 5 was never seen: its nearest are 1 (cosine 1) and 2 (cosine 3/5).
    found = smoothed(NeighbourSmoothing(2, 0.0), [0.0, 10.0, 10.0, 10.0, 10.0, 0.0])
    first = 1 / (1 + math.exp((0.6 - 1) / TEMPERATURE))
    assert found.tolist() == pytest.approx([0, 1, 2, 4, 8, first * 1 + (1 - first) * 2])


def test_who_was_seen_a_little_borrows_a_little():
    # Item 3, seen once, borrows from item 2 (cosine 4/5): 1 event of its own, 4 of its neighbour.
    found = smoothed(NeighbourSmoothing(1, 4.0), [0.0, 1000.0, 1000.0, 1.0, 1.0, 1000.0])
    assert found.tolist() == pytest.approx([0, 1, 2, (1 * 4 + 4 * 2) / 5, 8, 16])


@pytest.mark.parametrize(
    ("neighbours", "frequency"),
    [(3, [0.0] * 6), (3, [0.0] + [500.0] * 5)],
    ids=["counts are not shared", "all were seen often"],
)
def test_nobody_borrows(neighbours, frequency):
    assert torch.equal(smoothed(NeighbourSmoothing(neighbours, 4.0), frequency), OWN.flatten())


@settings(deadline=None)
@given(st.data())
def test_what_an_item_borrows_does_not_depend_on_who_else_is_asked_for(data):
    stream = np.random.default_rng(data.draw(st.integers(0, 99)))
    frequency = [0.0, *stream.integers(0, 3, size=5).astype(float)]
    smoothing = NeighbourSmoothing(
        data.draw(st.integers(1, 4)), data.draw(st.sampled_from([0.0, 2.5]))
    )
    whole = smoothed(smoothing, frequency)
    some = torch.tensor(data.draw(st.lists(st.integers(0, 5), min_size=1, unique=True)))
    torch.testing.assert_close(smoothed(smoothing, frequency, some), whole[some])
    torch.testing.assert_close(smoothed(smoothing, frequency), whole)


def test_counts_that_change_are_seen():
    smoothing = NeighbourSmoothing(1, 0.0)
    assert smoothed(smoothing, [0.0, 1.0, 1.0, 1.0, 1.0, 0.0])[5] == 1  # of item 1
    assert smoothed(smoothing, [0.0, 0.0, 1.0, 1.0, 1.0, 0.0]).tolist() == [
        0,
        2,
        2,
        4,
        8,
        2,
    ]  # of item 2


def test_a_model_scores_an_unseen_item_as_the_mean_of_its_lenders(make_tiny):
    model = make_tiny(neighbours=2, neighbour_events=0.0).eval()
    assert model.smoothing is not None
    model.frequency.fill_(3.0)
    model.frequency[[0, 7]] = 0.0
    items = torch.arange(len(model.frequency))
    own = model.output_vectors(model.look_up(items))
    vectors = catalogue_of(model, len(items) - 1).vectors
    semantic = model.views["semantic"].table
    cosines = torch.nn.functional.cosine_similarity(semantic[7], semantic, dim=1)
    cosines[[0, 7]] = -2
    best = cosines.topk(2)
    expected = (best.values / TEMPERATURE).softmax(0) @ own[best.indices]
    torch.testing.assert_close(vectors[7], expected)
    others = items[items != 7]
    assert torch.equal(vectors[others], own[others])
    torch.testing.assert_close(output_embeddings(model, items), vectors)
    torch.testing.assert_close(output_embeddings(model, torch.tensor([7]))[0], expected)


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
    assert make_tiny(**changes).smoothing is None
