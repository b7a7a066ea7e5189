"""The mean over those who read a row, by hand, for arrays of any shape."""

import numpy as np
import pytest

from server.aggregation.sparse_rows import row_scales, scale_rows
from server.replies.train import TrainReply
from server.rounds import train_round
from tests.server.rounds.users_one_by_one import USERS, one_by_one


def reply(weight, read):
    return TrainReply(
        reply=None,
        update={},
        loss=1.0,
        targets=1,
        private="",
        weight=weight,
        row_weights=np.array(read, dtype=np.float64),
    )


def test_a_scale_is_all_weight_over_that_of_those_who_read_the_row():
    # Of weight 8 in all: row 1 was read by 2 + 0, row 2 by nobody, row 3 by 3 + 5.
    scales = row_scales([reply(3, [0, 2, 0, 3]), reply(5, [0, 0, 0, 5])])
    np.testing.assert_array_equal(scales, [1, 4, 1, 1])
    assert row_scales([reply(3, []), reply(5, [])]) is None


@pytest.mark.parametrize("shape", [(4,), (4, 2), (4, 2, 3), (4, 4)])
def test_each_item_s_numbers_are_scaled_together(shape):
    scales = np.array([1.0, 4.0, 1.0, 0.5])
    update = {"rows": np.full(shape, 3.0), "dense": np.full(shape, 3.0)}
    found = scale_rows(update, {"rows"}, scales)
    for item, expected in enumerate([3.0, 12.0, 3.0, 1.5]):
        np.testing.assert_array_equal(found["rows"][item], np.full(shape[1:], expected))
    assert found["rows"].shape == shape
    np.testing.assert_array_equal(found["dense"], update["dense"])
    assert scale_rows(update, {"rows"}, None) is update


@pytest.mark.parametrize("steps", [1, 2])
def test_a_single_number_per_item_is_averaged_over_those_who_read_it(
    small_federation, opened, precision, steps
):
    changes = {
        "model.name": "tests.server.rounds.biased_model:Biased",
        "federation.row-averaging": "sparse",
        "loss.negatives": 4,
        "local.steps": steps,
        "model.identity-dropout": 0.0,
    }
    federation, state = small_federation(USERS | changes)
    assert federation.clients.traffic.item_rows == {"rows", "bias"}
    start = dict(state.weights)
    line = train_round(federation, state, 1)
    assert line["excluded"] == []
    total, read = {name: np.zeros_like(start[name]) for name in ("rows", "bias")}, 0.0
    for one in one_by_one(federation, opened, precision):
        read = read + one.targets * np.isin(np.arange(len(start["bias"])), one.read)
        for name, array in total.items():
            array += one.targets * one.update[name]
    assert 0 < np.sum(read[1:] == 0) < len(read) - 1
    divisor = np.maximum(read, 1)
    assert start["bias"].ndim == 1
    expected = start["bias"] + total["bias"] / divisor
    assert np.abs(state.weights["bias"] - expected).max() < 30 * precision.atol
    expected = start["rows"] + total["rows"] / divisor[:, None]
    assert np.abs(state.weights["rows"] - expected).max() < 30 * precision.atol
