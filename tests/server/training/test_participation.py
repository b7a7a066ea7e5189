"""Too few usable replies: a second attempt, and the error that ends the run."""

import numpy as np
import pytest
from flwr.app import Error, Message

from fedrec.errors import ConfigError, ParticipationError, ResourceError
from server.rounds import train_round
from tests.server.replies.test_train import assert_equal_weights, excluded, says


def broken(reply, message):
    return Message(Error(code=0, reason="the node went away"), reply_to=message)


def test_too_few_usable_replies_end_the_run_and_leave_the_model_as_it_was(
    small_federation, tampered
):
    client = tampered(broken, partitions=(0, 1))
    federation, state = small_federation(client=client)
    before = {name: array.copy() for name, array in state.weights.items()}
    with pytest.raises(
        ParticipationError,
        match=r"round 1: 1 of 3 clients sent a usable reply, 2 are needed "
        r"\(federation.min-participation = 0.5\); first reason: partition 0 failed: the node went",
    ) as raised:
        train_round(federation, state, 1)
    assert raised.value.exit_code == 3
    assert sorted(client.received) == [0, 0, 1, 1, 2, 2]  # the round was tried once more
    assert state.accepted == {}
    for name, array in before.items():
        np.testing.assert_array_equal(state.weights[name], array)


def test_a_round_that_succeeds_at_the_second_try_is_as_if_nothing_had_happened(
    small_federation, tampered
):
    failing = [3]  # replies to lose: the whole first attempt

    def change(reply, message):
        if failing[0] > 0:
            failing[0] -= 1
            return broken(reply, message)
        return None

    federation, state = small_federation(client=tampered(change, partitions=(0, 1, 2)))
    plain, expected = small_federation()
    for number in (1, 2):
        line = train_round(federation, state, number)
        once = train_round(plain, expected, number)
        assert line["excluded"] == []
        lost = [excluded(p, "failed: the node went away") for p in range(3)]
        assert line["retried"] == (lost if number == 1 else [])
        assert line["bytes_down"] == (2 if number == 1 else 1) * once["bytes_down"]
    assert_equal_weights(expected, state)


@pytest.mark.parametrize(("code", "kind"), [(2, ConfigError), (5, ResourceError)])
def test_what_all_clients_report_keeps_its_kind(small_federation, tampered, code, kind):
    client = tampered(says(error="no such thing", exit_code=code), partitions=(0, 1, 2))
    federation, state = small_federation(client=client)
    with pytest.raises(kind, match=r"^partition 0 no such thing$"):
        train_round(federation, state, 1)
    # What the user must change is not asked for again; a full disk may have room the next time.
    assert len(client.received) == (3 if code == 2 else 6)


def test_clients_that_disagree_on_what_is_wrong_are_too_few(small_federation, tampered):
    each = {p: says(error="no", exit_code=code) for p, code in enumerate([2, 5, 4])}
    federation, state = small_federation(client=tampered(each))
    with pytest.raises(ParticipationError, match="0 of 3 clients"):
        train_round(federation, state, 1)


def test_one_client_cannot_end_the_run_with_an_error_of_its_choice(small_federation, tampered):
    each = {0: says(error="no", exit_code=2), 1: says(error="no", exit_code=2)}
    client = tampered(each)
    federation, state = small_federation(client=client)
    with pytest.raises(ParticipationError, match="1 of 3 clients"):
        train_round(federation, state, 1)
    assert len(client.received) == 6


def test_a_clients_words_are_short_and_without_controls(small_federation, tampered):
    words = "first\nsecond\x1b[31m\u202ered" + "x" * 10**6
    client = tampered(says(error=words, exit_code=1, traceback=words))
    federation, state = small_federation(client=client)
    [one] = train_round(federation, state, 1)["excluded"]
    assert one["reason"].startswith("first second [31m redxxx")
    assert one["reason"].isprintable()
    assert len(one["reason"]) == 604  # 600 and an ellipsis
    assert state.traceback.startswith("first\nsecond [31m redxxx")
    assert len(state.traceback) == 20_004


@pytest.mark.parametrize("code", ["5", [5], 2**62, b"5", 1.5, 0])
def test_an_exit_code_of_no_meaning_is_none(small_federation, tampered, code):
    client = tampered(says(error="no", exit_code=code), partitions=(0, 1, 2))
    federation, state = small_federation(client=client)
    with pytest.raises(Exception, match="partition 0 no") as raised:
        train_round(federation, state, 1)
    assert raised.value.exit_code in (1, 3)
