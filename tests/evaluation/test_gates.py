"""Sums of gate weights by bucket: by hand, and whatever the batches."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedrec.config.values.choices import FUSIONS
from fedrec.evaluation.gates import BUCKETS, KINDS, are_told, bucket_of, gate_sums, gate_table
from fedrec.evaluation.leave_one_out import leave_one_out_ranks
from fedrec.evaluation.model_scorer import catalogue_gates, model_scorer
from fedrec.models.layers.gate import gate_features
from tests.models.test_hybrid import shaken

VIEWS = ("identity", "semantic")
WEIGHTS = np.array([[[0.9, 0.1], [0.5, 0.5], [0.7, 0.3]], [[0.2, 0.8], [9.0, 9.0], [9.0, 9.0]]])
# Two users: one whose newest 3 of 5 events are read, one with a single event, the rest padding.
TOLD = {
    "frequency": np.array([[0.0, 6.0, 7.0], [5.0, 0.0, 0.0]]),
    "lengths": np.array([3, 1]),
    "histories": np.array([5, 1]),
}


@given(st.integers(0, 2**31 - 1))
def test_a_bucket_is_the_number_of_bits(number):
    assert bucket_of(np.array([number])).tolist() == [number.bit_length()]


def rows_of(table, kind):
    return [(row["slice"], row["positions"], row["weights"]) for row in table[kind]]


def test_mean_weights_by_hand():
    table = gate_table(gate_sums(WEIGHTS, **TOLD), VIEWS, counts_are_known=True)
    assert table["views"] == ["identity", "semantic"]
    expected = {
        # First of the first user and the only one of the second: (.9 + .2) / 2; then (.5 + .7) / 2.
        "position": [("1", 2, [0.55, 0.45]), ("2-3", 2, [0.6, 0.4])],
        # Seen 0 times; 6, 7 and 5 times: (.5 + .7 + .2) / 3, padding not counted.
        "item popularity": [("never seen", 1, [0.9, 0.1]), ("4-7", 3, [1.4 / 3, 1.6 / 3])],
        # The second user alone; three positions of the first.
        "history length": [("1", 1, [0.2, 0.8]), ("4-7", 3, [0.7, 0.3])],
    }
    assert set(table) == {"views", *expected}
    for kind, rows in expected.items():
        for found, row in zip(rows_of(table, kind), rows, strict=True):
            assert found == (*row[:2], pytest.approx(row[2]))


def test_without_counts_nobody_knows_how_popular_an_item_is():
    table = gate_table(gate_sums(WEIGHTS, **TOLD), VIEWS, counts_are_known=False)
    assert set(table) == {"views", "position", "history length"}


def test_only_ranks_of_test_items_come_with_sums_and_only_of_several_views():
    assert are_told("test", 2)
    assert not are_told("test", 1)
    assert not are_told("validation", 2)


@pytest.mark.parametrize("max_length", [4, 10])
def test_the_sums_of_a_model_by_the_slow_loop(make_tiny, twelve_users, max_length):
    frequency = np.arange(41) // 4  # the first items were never seen
    model = make_tiny(frequency=frequency, max_length=max_length)
    with torch.no_grad():
        model.gate.from_facts.weight.add_(torch.arange(9.0).reshape(3, 3) / 5)
    found = leave_one_out_ranks(
        model_scorer(model, 40, max_length),
        twelve_users,
        np.arange(12),
        stage="test",
        protocols=("full",),
        num_items=40,
        counts=frequency,
        seed=0,
    )
    expected = np.zeros((len(KINDS), BUCKETS, 4))
    for user in range(12):
        history = twelve_users.of(user)[:-1]
        read = torch.from_numpy(history[-max_length:].astype(np.int64))
        weights = (
            model.encode(model.look_up(torch.arange(41)), read[None], torch.tensor([len(read)]))[1][
                0
            ]
            .detach()
            .numpy()
        )
        for place, (item, row) in enumerate(zip(read.tolist(), weights, strict=True), start=1):
            for kind, number in enumerate([place, len(history), int(frequency[item])]):
                expected[kind, number.bit_length()] += [1, *row]
    np.testing.assert_allclose(found.gates, expected, rtol=1e-6)


@pytest.mark.parametrize("mix", FUSIONS)
def test_the_catalogues_weights_are_those_by_which_items_are_scored(make_tiny, mix):
    frequency = np.array([0, *[0, 5] * 20])
    model = shaken(make_tiny(fusion=mix, frequency=frequency))
    table = model.look_up(torch.arange(1, 41))
    facts = gate_features(table.frequency, torch.zeros(40))
    shares = model.gate(table.views, None, facts)[1].detach().numpy()
    sums = catalogue_gates(model, 40)
    expected = np.zeros((BUCKETS, 4))
    expected[0], expected[3] = [20, *shares[::2].sum(0)], [20, *shares[1::2].sum(0)]
    np.testing.assert_allclose(sums, expected, rtol=1e-5)
