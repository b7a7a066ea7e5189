"""The one cast of a round: what it rounds, and what it refuses to make infinite."""

import numpy as np
import pytest

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
