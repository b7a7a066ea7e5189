"""What a user or an item gets, to the bit, whoever is scored beside it and however many items."""

import numpy as np
import pytest
import torch

from experiments.reproducibility.equal_scores import histories_of, trained, twins
from fedrec.data.sequences import Sequences
from fedrec.evaluation.leave_one_out import leave_one_out_ranks
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.inference.search import ItemSearch
from fedrec.models.layers.fixed_shapes import blocks_of_histories, padded_length, products
from fedrec.models.recommender import catalogue_of, output_embeddings, table_of

MODELS = [
    {"name": "hybrid"},
    {"name": "hybrid", "fusion": "attention", "neighbours": 3},
    {"name": "hybrid", "fusion": "concat"},
    {"name": "sasrec"},
    {"name": "bert4rec"},
    {"name": "gru4rec"},
    {"name": "narm"},
    {"name": "stamp"},
    {"name": "sr-gnn"},
    {"name": "dualrec-lstm"},
]
SIZES = [27, 30, 131]


@pytest.mark.parametrize("num_items", SIZES)
@pytest.mark.parametrize("settings", MODELS, ids=lambda each: "-".join(map(str, each.values())))
def test_scores_are_the_same_in_any_batch_and_of_equal_items(settings, num_items):
    model, pairs = trained(num_items, **settings), twins(num_items)
    score, histories = model_scorer(model, num_items, 21), histories_of(num_items, 64)
    alone = np.concatenate([score([history]).scores for history in histories])
    for size in (2, 7, 64):
        batches = [histories[start : start + size] for start in range(0, 64, size)]
        together = np.concatenate([score(batch).scores for batch in batches])
        np.testing.assert_array_equal(together, alone, strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(alone[:, one], alone[:, other])
    found = ItemSearch(model, num_items, 21, score_bytes=2000).top(histories, num_items)
    is_item = found.items > 0
    expected = np.take_along_axis(alone, found.items, axis=1)
    np.testing.assert_array_equal(found.scores[is_item], expected[is_item])


@pytest.mark.parametrize("settings", MODELS[:4], ids=lambda each: "-".join(map(str, each.values())))
def test_an_item_has_the_same_vector_whatever_is_looked_up_with_it(settings):
    model = trained(131, **settings)
    catalogue = catalogue_of(model, 131)
    for items in ([5], [131], [7, 131, 7], [*range(60, 83)]):
        chosen = torch.tensor(items)
        assert torch.equal(table_of(model, chosen).views, catalogue.table.views[chosen])
        assert torch.equal(output_embeddings(model, chosen), catalogue.vectors[chosen])


@pytest.mark.parametrize("num_items", SIZES)
@pytest.mark.parametrize("partitions", [3, 60])
def test_ranks_are_the_same_in_any_partition(num_items, partitions):
    model = trained(num_items)
    rows = histories_of(num_items, 180)
    offsets = np.cumsum([0, *(len(row) + 3 for row in rows)])
    rng = np.random.default_rng(3)
    items = [np.append(row, rng.integers(1, num_items + 1, size=3)) for row in rows]
    sequences = Sequences(np.concatenate(items).astype(np.int32), offsets.astype(np.int64))

    def ranks(users):
        return leave_one_out_ranks(
            model_scorer(model, num_items, 21),
            sequences,
            users,
            stage="test",
            protocols=["full"],
            num_items=num_items,
            counts=None,
            seed=0,
        ).ranks["full"]

    apart = np.empty(180)
    for part in range(partitions):
        users = np.arange(part, 180, partitions)
        apart[users] = ranks(users)
    np.testing.assert_array_equal(apart, ranks(np.arange(180)))


def test_a_larger_catalogue_changes_no_score_of_the_items_before():
    rng = np.random.default_rng(4)
    states, vectors = (rng.normal(size=(n, 18)).astype(np.float32) for n in (3, 131))
    states, vectors = torch.from_numpy(states), torch.from_numpy(vectors)
    whole = products(states, vectors)
    for size in range(1, 131):
        assert torch.equal(products(states, vectors[:size]), whole[:, :size])


@pytest.mark.parametrize(
    ("length", "expected"), [(1, 8), (8, 8), (9, 16), (33, 64), (64, 64), (65, 70), (70, 70)]
)
def test_a_history_is_padded_to_the_next_power_of_two_or_the_longest(length, expected):
    assert padded_length(length, 70) == expected


def test_every_history_is_in_one_block_of_its_length():
    lengths = torch.tensor([3, 20, 8, 9, 1, 2])
    found = list(blocks_of_histories(lengths, 40, together=3))
    assert [(block.length, block.rows.tolist(), block.real) for block in found] == [
        (8, [0, 2, 4], 3),
        (8, [5, 5, 5], 1),
        (16, [3, 3, 3], 1),
        (32, [1, 1, 1], 1),
    ]
