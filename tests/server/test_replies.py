"""Every reason of server/replies.py, caused by a reply that really travelled."""

import math
import random
import re

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, RecordDict
from flwr.serverapp import Grid

import clients.turn
from clients.app import app
from fedrec import protocol
from fedrec.errors import ParticipationError
from server.evaluation import evaluate
from server.replies import sort_replies
from server.rounds import train_round

TAMPERED = 1  # of three partitions
NAME = "gate.bias"


class PassOn(Grid):
    """A grid in front of another."""

    def __init__(self, grid):
        self.grid = grid

    def get_node_ids(self):
        return self.grid.get_node_ids()

    def push_messages(self, messages):
        return self.grid.push_messages(messages)

    def pull_messages(self, message_ids):
        return self.grid.pull_messages(message_ids)

    def send_and_receive(self, messages, *, timeout=None):
        return self.grid.send_and_receive(messages, timeout=timeout)

    def create_message(self, *args, **kwargs):
        return self.grid.create_message(*args, **kwargs)

    def set_run(self, run):
        self.grid.set_run(run)

    @property
    def run(self):
        return self.grid.run


class Client:
    """The ClientApp whose ``kind`` replies of one partition are changed on the way."""

    def __init__(self, change, kind="train", partitions=(TAMPERED,)):
        self.change, self.kind, self.partitions = change, kind, partitions
        self.honest = {}

    def __call__(self, message, context):
        reply = app(message, context)
        partition = context.node_config["partition-id"]
        if message.metadata.message_type != self.kind:
            return reply
        if partition in self.partitions:
            return self.change(reply, message) or reply
        self.honest[partition] = reply.content
        return reply


def weights_of(reply):
    return reply.content.array_records[protocol.ARRAYS]


def metrics_of(reply):
    return reply.content.metric_records[protocol.METRICS]


def facts_of(reply):
    return reply.content.config_records[protocol.FACTS]


def put(array):
    def change(reply, message):
        weights_of(reply)[NAME] = Array(array)

    return change


def put_first(value):
    def change(reply, message):
        array = weights_of(reply)[NAME].numpy().copy()
        array[0] = value
        weights_of(reply)[NAME] = Array(array)

    return change


def put_bytes(reply, message):
    weights_of(reply)[NAME] = Array(
        dtype="float32", shape=(3,), stype="numpy.ndarray", data=b"no array at all"
    )


def pickled(reply, message):
    weights_of(reply)[NAME] = Array(
        dtype="float32", shape=(3,), stype="pickle", data=b"cos\nsystem\n(S'true'\ntR."
    )


def leave_out(reply, message):
    weights_of(reply).pop(NAME)


def add_one(reply, message):
    weights_of(reply)["gate.other"] = Array(np.zeros(3, np.float32))


def other_dtype(reply, message):
    weights_of(reply)[NAME] = Array(weights_of(reply)[NAME].numpy().astype(np.float64))


def put_metric(key, value):
    def change(reply, message):
        metrics_of(reply)[key] = value(metrics_of(reply)[key]) if callable(value) else value

    return change


def drop_metric(key):
    def change(reply, message):
        metrics_of(reply).pop(key)

    return change


def put_fact(key, value):
    def change(reply, message):
        facts_of(reply)[key] = value

    return change


def rename_metrics(reply, message):
    reply.content["figures"] = reply.content.pop(protocol.METRICS)


def without_weights(reply, message):
    reply.content.pop(protocol.ARRAYS)


def empty(reply, message):
    return Message(RecordDict(), reply_to=message)


def broken(reply, message):
    return Message(Error(code=0, reason="the node went away"), reply_to=message)


def error_line(reply, message):
    facts = ConfigRecord({"error": "no disk left", "exit-code": 5})
    return Message(RecordDict({protocol.FACTS: facts}), reply_to=message)


def more_records(reply, message):
    reply.content["more"] = ArrayRecord({"x": Array(np.zeros(1, np.float32))})


BAD = [
    ("48_nan_weights", put_first(np.nan), "'gate.bias' hold NaN or infinity"),
    ("48_infinite_weights", put_first(-np.inf), "'gate.bias' hold NaN or infinity"),
    ("49_a_longer_array", put(np.zeros(4, np.float32)), r"have shape \(4,\), not \(3,\)"),
    ("49_an_array_that_broadcasts", put(np.zeros(1, np.float32)), r"shape \(1,\), not \(3,\)"),
    ("49_a_single_number", put(np.zeros((), np.float32)), r"have shape \(.*\), not \(3,\)"),
    ("50_float64_weights", other_dtype, "'gate.bias' are float64, not float32"),
    ("50_a_missing_name", leave_out, r"weights \['gate.bias'\] are on one side only"),
    ("50_an_extra_name", add_one, r"weights \['gate.other'\] are on one side only"),
    ("50_bytes_that_are_no_array", put_bytes, "'gate.bias' cannot be read"),
    ("50_a_pickle", pickled, "'gate.bias' cannot be read"),
    ("50_a_second_record_of_arrays", more_records, "lacks the record of weights"),
    ("51_num_examples_off_by_one", put_metric("num-examples", lambda n: n + 1), "num-examples is"),
    ("51_negative_num_examples", put_metric("num-examples", -5), "num-examples is -5, declared"),
    ("51_zero_num_examples", put_metric("num-examples", 0), "num-examples is 0, declared"),
    ("51_huge_num_examples", put_metric("num-examples", 2**62), "num-examples is 46116860"),
    ("51_num_examples_nan", put_metric("num-examples", math.nan), "num-examples is nan"),
    ("51_num_examples_as_a_float", put_metric("num-examples", float), "num-examples is"),
    ("51_no_num_examples", drop_metric("num-examples"), "num-examples is None"),
    ("51_no_trained_targets", drop_metric("trained-targets"), "trained-targets is None"),
    ("51_negative_trained_targets", put_metric("trained-targets", -1), "trained-targets is -1"),
    ("51_zero_trained_targets", put_metric("trained-targets", 0), "trained-targets is 0"),
    ("53_a_stale_round", put_fact(protocol.ROUND, 0), "answers round 0 instead of 1"),
    ("53_another_partition", put_fact(protocol.PARTITION, 2), "says it is partition 2"),
    ("54_an_empty_reply", empty, "sent no facts about itself"),
    ("54_no_weights", without_weights, "lacks the record of weights or of metrics"),
    ("54_metrics_of_another_name", rename_metrics, "lacks the record of weights or of metrics"),
    ("55_a_loss_that_is_nan", put_metric("train-loss", math.nan), "training loss is nan"),
    ("55_an_infinite_loss", put_metric("train-loss", math.inf), "training loss is inf"),
    ("55_no_loss", drop_metric("train-loss"), "training loss is None"),
    ("a_node_that_fails", broken, "failed: the node went away"),
    ("a_client_that_says_why", error_line, "no disk left"),
]


def assert_mean_of(honest, census, weights):
    """The weights are the mean of honest replies, by hand: sum of n w over sum of n, float64."""
    total = sum(census.targets[partition] for partition in honest)
    for name, array in weights.items():
        expected = sum(
            census.targets[partition]
            / total
            * content.array_records[protocol.ARRAYS][name].numpy().astype(np.float64)
            for partition, content in sorted(honest.items())
        )
        np.testing.assert_allclose(array, expected, rtol=0, atol=1e-14, err_msg=name)


def copied(content):
    return RecordDict(dict(content.items()))


class Remembering(Client):
    """Keeps the honest contents as they were sent: the server writes into its messages."""

    def __call__(self, message, context):
        reply = super().__call__(message, context)
        partition = context.node_config["partition-id"]
        if partition in self.honest and message.metadata.message_type == "train":
            self.honest[partition] = copied(reply.content)
        return reply


@pytest.mark.parametrize(
    ("change", "reason"),
    [pytest.param(change, reason, id=f"fault_{name}") for name, change, reason in BAD],
)
def test_a_bad_reply_is_left_out_with_its_reason_and_the_others_are_averaged(
    small_federation, change, reason
):
    client = Remembering(change)
    federation, state = small_federation(client=client)
    line = train_round(federation, state, 1)
    assert line["used"] == [0, 2]
    assert [one["partition"] for one in line["dropped"]] == [TAMPERED]
    assert re.search(reason, line["dropped"][0]["reason"]), line["dropped"][0]["reason"]
    assert state.accepted == {0: 1, 2: 1}
    assert line["targets"] == federation.census.targets[0] + federation.census.targets[2]
    assert_mean_of(client.honest, federation.census, state.weights)


def test_honest_replies_are_all_averaged(small_federation):
    client = Remembering(lambda reply, message: None, partitions=())
    federation, state = small_federation(client=client)
    line = train_round(federation, state, 1)
    assert (line["used"], line["dropped"]) == ([0, 1, 2], [])
    assert_mean_of(client.honest, federation.census, state.weights)


def test_an_exception_in_a_client_costs_that_client_its_round_only(small_federation, monkeypatch):
    plain = clients.turn.fit

    def fit(*args, partition, **keywords):
        if partition == TAMPERED:
            raise RuntimeError("out of luck")
        return plain(*args, partition=partition, **keywords)

    monkeypatch.setattr(clients.turn, "fit", fit)
    client = Remembering(lambda reply, message: None, partitions=())
    federation, state = small_federation(client=client)
    line = train_round(federation, state, 1)
    assert line["dropped"] == [{"partition": 1, "reason": "RuntimeError: out of luck"}]
    del client.honest[TAMPERED]
    assert_mean_of(client.honest, federation.census, state.weights)


class Losing(PassOn):
    """A grid that loses every reply of one partition to a train message."""

    def pull_messages(self, message_ids):
        return [
            reply
            for reply in self.grid.pull_messages(message_ids)
            if not (
                reply.metadata.message_type == "train"
                and facts_of(reply)[protocol.PARTITION] == TAMPERED
            )
        ]


def test_a_client_that_does_not_reply_is_left_out_when_the_time_is_over(small_federation):
    federation, state = small_federation({"federation.round-timeout": 0.05}, wrap=Losing)
    line = train_round(federation, state, 1)
    assert line["used"] == [0, 2]
    assert line["dropped"] == [{"partition": 1, "reason": "did not reply in time"}]


class Doubling(PassOn):
    """A grid that delivers every reply twice."""

    def pull_messages(self, message_ids):
        return 2 * self.grid.pull_messages(message_ids)


def test_fault_53_a_reply_that_comes_twice_counts_once(small_federation):
    federation, state = small_federation()
    once = train_round(federation, state, 1)
    doubled, other = small_federation()
    object.__setattr__(doubled, "grid", Doubling(doubled.grid))
    twice = train_round(doubled, other, 1)
    assert [one["reason"] for one in twice["dropped"]] == ["replied twice"] * 3
    assert twice["used"] == once["used"] == [0, 1, 2]
    for name, array in state.weights.items():
        np.testing.assert_array_equal(array, other.weights[name])


def test_fault_53_a_node_that_nobody_asked_is_left_out(small_federation):
    federation, _ = small_federation()
    node_of = federation.census.node_of
    partition_of = {node: partition for partition, node in node_of.items()}
    question = Message(RecordDict(), node_of[1], "train")
    question.metadata.__dict__["_message_id"] = "x"
    answer = Message(
        RecordDict({protocol.FACTS: ConfigRecord({protocol.PARTITION: 1})}), reply_to=question
    )
    found = sort_replies([answer], partition_of, [0], lambda reply, partition: None)
    assert not found.accepted
    assert [vars(one) for one in found.dropped] == [
        {"partition": 0, "reason": "did not reply in time"},
        {"partition": 1, "reason": "was not asked in this round"},
    ]
    stranger = sort_replies([answer], {}, [], lambda reply, partition: None)
    assert stranger.dropped[0].reason == "was not asked in this round"


class Shuffling(PassOn):
    """A grid that delivers in another order every time."""

    def pull_messages(self, message_ids):
        replies = list(self.grid.pull_messages(message_ids))
        random.Random(5).shuffle(replies)
        return replies[::-1]


def test_the_order_of_replies_changes_no_byte(small_federation):
    sixes = {"partition.count": 6}
    (plain, one), (shuffled, other) = (
        small_federation(sixes),
        small_federation(sixes, wrap=Shuffling),
    )
    for number in (1, 2):
        train_round(plain, one, number)
        train_round(shuffled, other, number)
    for name, array in one.weights.items():
        np.testing.assert_array_equal(array, other.weights[name])


def test_too_few_usable_replies_end_the_run_and_leave_the_model_as_it_was(small_federation):
    tries = []

    def change(reply, message):
        tries.append(message)
        return broken(reply, message)

    federation, state = small_federation(client=Client(change, partitions=(0, 1)))
    before = {name: array.copy() for name, array in state.weights.items()}
    with pytest.raises(
        ParticipationError,
        match=r"round 1: 1 of 3 clients sent a usable reply, 2 are needed "
        r"\(federation.min-participation = 0.5\); first reason: partition 0 failed: the node went",
    ) as raised:
        train_round(federation, state, 1)
    assert raised.value.exit_code == 3
    assert len(tries) == 4  # the round was tried once more
    assert state.accepted == {}
    for name, array in before.items():
        np.testing.assert_array_equal(state.weights[name], array)


def test_a_round_that_succeeds_at_the_second_try_is_as_if_nothing_had_happened(small_federation):
    failing = [3]  # replies to lose: the whole first try

    def change(reply, message):
        if failing[0] > 0:
            failing[0] -= 1
            return broken(reply, message)
        return None

    federation, state = small_federation(client=Client(change, partitions=(0, 1, 2)))
    plain, expected = small_federation()
    for number in (1, 2):
        line = train_round(federation, state, number)
        train_round(plain, expected, number)
        assert line["dropped"] == []
    for name, array in expected.weights.items():
        np.testing.assert_array_equal(array, state.weights[name])


def ranks_of(reply):
    return reply.content.array_records[protocol.RANKS]


def put_rank(value):
    def change(reply, message):
        ranks = ranks_of(reply)["rank/full"].numpy().copy()
        ranks[0] = value
        ranks_of(reply)["rank/full"] = Array(ranks)

    return change


def drop_ranks(reply, message):
    ranks_of(reply).pop("rank/full")


def short_ranks(reply, message):
    ranks_of(reply)["rank/full"] = Array(ranks_of(reply)["rank/full"].numpy()[:-1])


def others_users(reply, message):
    ranks_of(reply)["users"] = Array(ranks_of(reply)["users"].numpy() + 1)


def without_record(reply, message):
    reply.content.pop(protocol.RANKS)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(put_rank(np.nan), "rank/full", id="nan"),
        pytest.param(put_rank(0.0), "rank/full", id="zero"),
        pytest.param(drop_ranks, "rank/full", id="missing"),
        pytest.param(short_ranks, "rank/full", id="short"),
        pytest.param(others_users, "users", id="others"),
        pytest.param(without_record, "lacks the record of ranks", id="no_record"),
        pytest.param(empty, "sent no facts", id="empty"),
    ],
)
def test_fault_36_ranks_that_cannot_be_are_left_out_with_their_reason(
    small_federation, change, reason
):
    federation, state = small_federation(client=Client(change, kind="evaluate"))
    found, _, dropped = evaluate(
        federation, state, number=0, stage="validation", protocols=["full"]
    )
    assert set(found.partitions) == {0, 2}
    assert [one.partition for one in dropped] == [TAMPERED]
    assert reason in dropped[0].reason


def test_ranks_of_too_few_clients_are_no_evaluation(small_federation):
    federation, state = small_federation(client=Client(empty, kind="evaluate", partitions=(0, 1)))
    with pytest.raises(ParticipationError, match=r"evaluation in round 0: 1 of 3 .*2 are needed"):
        evaluate(federation, state, number=0, stage="test", protocols=["full"])
