"""Rounds in which clients fail, keep silent, reply twice, late or in any order."""

import random

import numpy as np
import pytest
from flwr.app import Array, ConfigRecord, Message, RecordDict

import clients.train_partition
from fedrec import protocol
from server.messages.exchange import SampledNodes
from server.replies.outcome import sort_replies
from server.rounds import train_round
from server.state.server_state import AcceptedReply

TAMPERED = 1  # of three partitions


def facts_of(reply):
    return reply.content.config_records[protocol.METADATA]


def excluded(partition, reason):
    return {"partition": partition, "reason": reason, "while": "train"}


def says(**facts):
    def change(reply, message):
        record = ConfigRecord({key.replace("_", "-"): value for key, value in facts.items()})
        return Message(RecordDict({protocol.METADATA: record}), reply_to=message)

    return change


def assert_equal_weights(one, other):
    for name, array in one.weights.items():
        np.testing.assert_array_equal(array, other.weights[name], err_msg=name)


class Between(SampledNodes):
    """A grid whose replies to train messages are rearranged on their way."""

    def __init__(self, grid, rearrange):
        super().__init__(grid, grid.get_node_ids())
        self._rearrange = rearrange

    def pull_messages(self, message_ids):
        replies = list(self._grid.pull_messages(message_ids))
        if replies and replies[0].metadata.message_type == "train":
            return self._rearrange(replies)
        return replies


def between(rearrange):
    return lambda grid: Between(grid, rearrange)


def test_honest_replies_are_all_averaged(small_federation, tampered):
    federation, state = small_federation()
    line = train_round(federation, state, 1)
    assert (line["aggregated"], line["excluded"], line["retried"]) == ([0, 1, 2], [], [])
    assert sorted(state.accepted) == [0, 1, 2]
    for accepted in state.accepted.values():
        assert accepted.round == 1
        assert len(accepted.private) == 64  # the optimiser's state stays on the client


def test_a_client_that_keeps_nothing_names_no_private_file(small_federation):
    federation, state = small_federation({"local.optimizer-state": "reset"})
    train_round(federation, state, 1)
    assert state.accepted == {p: AcceptedReply(1, "") for p in range(3)}


def test_an_exception_in_a_client_costs_that_client_its_round_only(
    small_federation, monkeypatch, tampered
):
    plain = clients.train_partition.fit

    def fit(*args, partition, **keywords):
        if partition == TAMPERED:
            raise RuntimeError("out of luck")
        return plain(*args, partition=partition, **keywords)

    monkeypatch.setattr(clients.train_partition, "fit", fit)
    federation, state = small_federation()
    line = train_round(federation, state, 1)
    assert line["excluded"] == [excluded(1, "RuntimeError: out of luck")]
    assert line["aggregated"] == [0, 2]
    assert "in fit" in state.traceback
    monkeypatch.undo()


def test_a_client_that_does_not_reply_is_excluded_when_the_time_is_over(small_federation):
    def lose(replies):
        return [one for one in replies if facts_of(one)[protocol.PARTITION] != TAMPERED]

    changes = {"federation.round-timeout": 0.05}
    federation, state = small_federation(changes, wrap=between(lose))
    line = train_round(federation, state, 1)
    assert line["aggregated"] == [0, 2]
    assert line["excluded"] == [excluded(1, "did not reply in time")]


def test_a_reply_that_comes_twice_counts_once(small_federation):
    federation, state = small_federation()
    once = train_round(federation, state, 1)
    doubled, other = small_federation(wrap=between(lambda replies: 2 * replies))
    twice = train_round(doubled, other, 1)
    assert twice["excluded"] == [excluded(p, "replied twice") for p in range(3)]
    assert twice["aggregated"] == once["aggregated"] == [0, 1, 2]
    assert_equal_weights(state, other)


def other_weights(content):
    weights = content[protocol.ARRAYS]
    weights["gate.bias"] = Array(weights["gate.bias"].numpy() + 1)


def other_words(content):
    content[protocol.METADATA]["more"] = "words"


def one_record_more(content):
    content["more"] = type(content[protocol.ARRAYS])()


def another_kind_of_bytes(content):
    array = content[protocol.ARRAYS]["gate.bias"]
    content[protocol.ARRAYS]["gate.bias"] = Array(array.dtype, array.shape, "torch", array.data)


def another_kind_of_record(content):
    content[protocol.METRICS] = ConfigRecord(dict(content.pop(protocol.METRICS)))


@pytest.mark.parametrize("comes", ["before", "after"])
@pytest.mark.parametrize(
    "change",
    [other_weights, other_words, one_record_more, another_kind_of_bytes, another_kind_of_record],
    ids=lambda change: change.__name__,
)
def test_two_replies_that_differ_are_both_excluded_whichever_comes_first(
    small_federation, change, comes
):
    def add_another(replies):
        one = next(one for one in replies if facts_of(one)[protocol.PARTITION] == TAMPERED)
        content = RecordDict({k: type(r)(dict(r)) for k, r in one.content.items()})
        change(content)
        other = Message(content, metadata=one.metadata)
        return [other, *replies] if comes == "before" else [*replies, other]

    federation, state = small_federation(wrap=between(add_another))
    line = train_round(federation, state, 1)
    assert line["aggregated"] == [0, 2]
    assert line["excluded"] == [excluded(1, "replied more than once, each time something else")]


def test_a_node_that_nobody_asked_is_excluded(small_federation):
    federation, _ = small_federation()
    node_of = federation.registration.node_of
    question = Message(RecordDict(), node_of[1], "train")
    question.metadata.__dict__["_message_id"] = "x"
    answer = says(partition=1)(None, question)
    found = sort_replies([answer], federation.registration.partition_of, [0], lambda reply, p: None)
    assert not found.accepted
    assert [(one.partition, one.reason) for one in found.excluded] == [
        (0, "did not reply in time"),
        (1, "was not sampled in this round"),
    ]
    stranger = sort_replies([answer, answer], {}, [], lambda reply, partition: None)
    assert [(one.partition, one.reason) for one in stranger.excluded] == [
        (-1, "was not sampled in this round")
    ] * 2


@pytest.mark.parametrize("kind", [AttributeError, KeyError, TypeError, ValueError, OverflowError])
def test_what_no_reader_foresaw_is_a_reason(small_federation, kind):
    federation, _ = small_federation()
    question = Message(RecordDict(), federation.registration.node_of[1], "train")
    question.metadata.__dict__["_message_id"] = "x"

    def read(reply, partition):
        raise kind("odd")

    answer = says(partition=1)(None, question)
    [one] = sort_replies([answer], federation.registration.partition_of, [1], read).excluded
    assert one.reason.startswith(f"cannot be read: {kind.__name__}: ")


def test_a_reply_of_somebody_who_was_unavailable_is_not_used(small_federation):
    federation, _ = small_federation()
    question = Message(RecordDict(), federation.registration.node_of[1], "train")
    question.metadata.__dict__["_message_id"] = "x"
    answer = says(partition=1)(None, question)
    found = sort_replies(
        [answer],
        federation.registration.partition_of,
        [1],
        lambda reply, p: None,
        {1: "dropped out"},
    )
    assert not found.accepted
    assert {one.reason for one in found.excluded} == {
        "dropped out",
        "was not sampled in this round",
    }


def test_the_order_of_replies_changes_no_byte(small_federation):
    def shuffled(replies):
        random.Random(5).shuffle(replies)
        return replies[::-1]

    sixes = {"partition.count": 6}
    plain, one = small_federation(sixes)
    mixed, other = small_federation(sixes, wrap=between(shuffled))
    for number in (1, 2):
        train_round(plain, one, number)
        train_round(mixed, other, number)
    assert_equal_weights(one, other)
