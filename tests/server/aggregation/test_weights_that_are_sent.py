"""The one cast of a round: what it rounds, and what it refuses to make infinite."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fedrec.errors import FedrecError
from server.messages.weights import cast_weights
from server.rounds import train_round
from server.run import exit_code_of

HALF = {
    "federation.unit": "user",
    "federation.cohort": 20,
    "federation.download": "float16",
    "local.optimizer-state": "reset",
}


@pytest.mark.parametrize(
    ("kind", "largest", "too_large"),
    [
        ("float16", 65519.0, 65520.0),  # rounded to 65504, and half-way to 65536
        ("float32", 3.4028235e38, 3.41e38),
    ],
)
def test_weights_are_sent_up_to_the_largest_number_there_is(kind, largest, too_large):
    weights = {"w": np.array([1 / 3, -largest])}
    sent = cast_weights(weights, kind)["w"]
    assert sent.dtype == np.float32
    assert np.isfinite(sent).all()
    assert sent[0] == np.float32(weights["w"].astype(kind)[0])
    with pytest.raises(FedrecError, match=f"weights 'w' reach .*, but {kind} holds numbers up to"):
        cast_weights({"v": np.zeros(2), "w": np.array([0.0, -too_large])}, kind)


def test_int8_is_the_nearest_of_255_levels_of_each_row():
    weights = {
        "rows": np.array([[127.0, -63.4, 0.5, 1.6], [0.0, 0.0, 0.0, 0.0], [9e-4, -2.54e-1, 0, 0]]),
        "gate": np.array([2.54, -0.011]),
        "alone": np.array(-3.0),
        "tiny": np.array([1e-45]),
    }
    sent = cast_weights(weights, "int8")
    rows = np.array([[127, -63, 0, 2], [0, 0, 0, 0], [0, -0.254, 0, 0]])
    np.testing.assert_allclose(sent["rows"], rows, rtol=1e-6)
    # Step .02: 127 steps, and half a step and more
    np.testing.assert_allclose(sent["gate"], [2.54, -0.02], rtol=1e-6)
    assert sent["alone"] == pytest.approx(-3)
    assert sent["tiny"] == 0
    assert {array.dtype for array in sent.values()} == {np.dtype(np.float32)}


@given(
    arrays(np.float64, (5, 7), elements=st.floats(-1e6, 1e6, width=32)),
    st.floats(2**-20, 2**20, width=32),
)
def test_int8_errs_by_half_a_step_at_most(weights, factor):
    sent = cast_weights({"w": weights * factor}, "int8")["w"]
    largest = np.abs(weights * factor).max(axis=1, keepdims=True)
    allowed = largest / 127 * 0.5 * (1 + 1e-4) + np.finfo(np.float32).tiny * 127
    assert (np.abs(sent - weights * factor) <= allowed).all()


def test_int8_refuses_what_float32_does_not_hold():
    with pytest.raises(FedrecError, match="but float32 holds numbers up to"):
        cast_weights({"w": np.array([1e39])}, "int8")


def test_the_message_names_what_was_seen_what_fits_and_the_key():
    with pytest.raises(FedrecError) as caught:
        cast_weights({"views.gate": np.array([-70000.0])}, "float16")
    assert str(caught.value) == (
        "weights 'views.gate' reach 7e+04, but float16 holds numbers up to 65504; "
        "set federation.download = 'float32'"
    )
    assert exit_code_of(caught.value) == 1


def test_a_round_that_cannot_be_sent_changes_nothing(small_federation):
    federation, state = small_federation(HALF)
    name = next(iter(state.weights))
    state.weights[name].flat[0] = 1e5
    before = {name: array.copy() for name, array in state.weights.items()}
    with pytest.raises(FedrecError, match=r"set federation\.download = 'float32'"):
        train_round(federation, state, 1)
    assert state.targets == state.megabytes == 0
    for name, array in before.items():
        np.testing.assert_array_equal(state.weights[name], array)
