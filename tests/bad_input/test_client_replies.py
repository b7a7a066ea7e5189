"""A bad reply in a real run: it is excluded and named; two of three clients end the run."""

import json
import math

import numpy as np
import pytest
from flwr.app import Array, Message, RecordDict

from clients.app import app
from fedrec import protocol


def weights(change):
    """Change one array of the weights, given as numpy's."""

    def spoil(reply, message):
        record = reply.content.array_records[protocol.ARRAYS]
        record["gate.bias"] = Array(change(record["gate.bias"].numpy()))

    return spoil


def metric(key, value):
    def spoil(reply, message):
        reply.content.metric_records[protocol.METRICS][key] = value

    return spoil


def huge(reply, message):
    record = reply.content.array_records[protocol.ARRAYS]
    for name, array in list(record.items()):
        record[name] = Array(np.full(array.shape, 1e30, np.float32))


def stale(reply, message):
    reply.content.config_records[protocol.METADATA][protocol.ROUND] = 0


def empty(reply, message):
    return Message(RecordDict(), reply_to=message)


SPOILT = {
    "nan": (weights(lambda a: a * np.float32(math.nan)), "'gate.bias' hold NaN or infinity"),
    "a_shape_that_broadcasts": (weights(lambda a: a[:1]), "have shape (1,), not (3,)"),
    "another_dtype": (weights(lambda a: a.astype(np.float64)), "are float64, not float32"),
    "huge_num_examples": (metric("num-examples", 2**40), "num-examples is 1099511627776, decl"),
    "a_huge_norm": (huge, "(federation.outlier-limit = 100)"),
    "a_stale_round": (stale, "replies to round 0 instead of 1"),
    "an_empty_reply": (empty, "sent no metadata"),
    "a_loss_that_is_nan": (metric("train-loss", math.nan), "its training loss is nan"),
}
EACH = pytest.mark.parametrize(("spoil", "words"), SPOILT.values(), ids=list(SPOILT))


@pytest.fixture
def spoiling(monkeypatch):
    """``spoiling(spoil, partitions)``: these clients of the command spoil their train replies."""

    def arrange(spoil, partitions):
        def client(message, context):
            reply = app(message, context)
            is_theirs = context.node_config["partition-id"] in partitions
            if is_theirs and message.metadata.message_type == "train":
                return spoil(reply, message) or reply
            return reply

        monkeypatch.setattr("clients.app.app", client)

    return arrange


@EACH
def test_one_such_client_is_left_out_and_the_run_says_so(
    run, csv, events, fedrec_home, spoiling, spoil, words
):
    spoiling(spoil, [1])
    ended = run(csv(events))
    assert ended.code == 0, ended.errors
    folder = fedrec_home / "runs" / "small"
    assert json.loads((folder / "run.json").read_text())["status"] == "degraded"
    line = json.loads((folder / "rounds.jsonl").read_text().splitlines()[1])
    assert line["aggregated"] == [0, 2]
    [one] = line["excluded"]
    assert (one["partition"], one["while"]) == (1, "train")
    assert words in one["reason"]
    assert words in (folder / "log.txt").read_text()


@EACH
def test_a_round_with_too_few_others_ends_the_run_with_3(
    run, csv, events, fedrec_home, spoiling, spoil, words
):
    spoiling(spoil, [0, 1])
    ended = run(csv(events))
    assert ended.code == 3
    assert ended.errors.startswith("error: round 1: 1 of 3 clients sent a usable reply, 2 are")
    assert words in ended.errors
    assert ended.errors.count("\n") == 1
    about = json.loads((fedrec_home / "runs" / "small" / "run.json").read_text())
    assert (about["status"], about["exit_code"]) == ("failed", 3)
