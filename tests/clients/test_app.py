import pathlib
import pickle

import numpy as np
import pytest
from flwr.app import (
    Array,
    ArrayRecord,
    ConfigRecord,
    Context,
    Message,
    MessageType,
    RecordDict,
)

import clients.turn
from clients.app import app
from fedrec import protocol
from fedrec.config_keys import flatten
from server.inline import FIRST_NODE, InlineGrid

TOKEN = "0123456789abcdef"


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path(self.path),)


def record_of(arrays):
    return ArrayRecord({name: Array(array) for name, array in arrays.items()})


def asked(config, kind, *, partition=0, nodes=None, sent=None, records=None):
    """The reply of the ClientApp to one message."""
    InlineGrid(app, 1, {})  # without a running task, Flower makes no message
    told = {
        protocol.FORMAT_KEY: protocol.FORMAT,
        protocol.CODE: protocol.code_fingerprint(),
        protocol.TOKEN: TOKEN,
        protocol.ROUND: 1,
        protocol.LAST_ACCEPTED: 0,
    } | (sent or {})
    content = RecordDict({protocol.CONFIG: ConfigRecord(told)} | (records or {}))
    message = Message(content, FIRST_NODE, kind)
    message.metadata.__dict__["_message_id"] = "asked"
    context = Context(
        run_id=1,
        node_id=FIRST_NODE,
        node_config={
            "partition-id": partition,
            "num-partitions": config.partition.count if nodes is None else nodes,
        },
        state=RecordDict(),
        run_config=flatten(config),
    )
    return app(message, context)


def facts_of(reply):
    return dict(reply.content.config_records[protocol.FACTS])


def test_a_query_tells_what_the_partition_holds(small_home, small_config):
    reply = asked(small_config(), MessageType.QUERY, partition=2)
    facts = facts_of(reply)
    census = reply.content.array_records[protocol.CENSUS]
    assert facts[protocol.PARTITION] == 2
    assert len(facts["user-ids"]) == len(census["users"].numpy()) == 20
    assert set(census) == {"users", "counts"}
    assert reply.content.metric_records[protocol.METRICS][protocol.NUM_EXAMPLES] > 0


def test_other_code_is_refused_with_one_line_and_a_code(small_home, small_config):
    facts = facts_of(asked(small_config(), MessageType.QUERY, sent={protocol.CODE: "0" * 64}))
    assert facts["error"].startswith("the server runs other code than this client")
    assert "\n" not in facts["error"]
    assert facts["exit-code"] == 1
    assert facts[protocol.PARTITION] == 0
    assert "traceback" not in facts  # nothing is wrong with our code


def test_another_message_format_is_refused(small_home, small_config):
    facts = facts_of(asked(small_config(), MessageType.QUERY, sent={protocol.FORMAT_KEY: 99}))
    assert facts["error"].startswith("the server speaks message format 99, this client 1;")


@pytest.mark.parametrize("nodes", [2, 4])
def test_fault_31_another_number_of_nodes_is_refused(small_home, small_config, nodes):
    facts = facts_of(asked(small_config(), MessageType.QUERY, nodes=nodes))
    assert facts["error"].startswith(
        f"there are {nodes} SuperNodes but partition.count is 3; set partition.count={nodes} or"
    )


def test_fault_31_a_partition_that_is_out_of_range_is_refused(small_home, small_config):
    facts = facts_of(asked(small_config(), MessageType.QUERY, partition=3))
    assert facts["error"].startswith("partition 3 does not exist, there are 3 (0 to 2)")
    assert facts["exit-code"] == 2


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"data.source": "no-such-file"}, 4, "no-such-file"),
        ({"partition.count": 99}, 2, "partition.count is 99, but 60 users"),
        ({"partition.by": "shoe-size"}, 2, 'partition.by is "shoe-size"'),
    ],
)
def test_an_error_travels_as_one_line_with_its_exit_code(
    small_home, small_config, changes, code, words
):
    facts = facts_of(asked(small_config(changes), MessageType.QUERY))
    assert facts["exit-code"] == code
    assert words in facts["error"]
    assert "\n" not in facts["error"]


def test_a_key_that_a_client_does_not_know_is_an_error_of_the_config(small_home, small_config):
    config = small_config()
    InlineGrid(app, 1, {})
    message = Message(RecordDict(), FIRST_NODE, MessageType.QUERY)
    message.metadata.__dict__["_message_id"] = "asked"
    run_config = flatten(config) | {"local.epoch": 3}
    context = Context(1, FIRST_NODE, {"partition-id": 0}, RecordDict(), run_config)
    facts = facts_of(app(message, context))
    assert facts["exit-code"] == 2
    assert "unknown key 'local.epoch'; did you mean 'local.epochs'?" in facts["error"]


def test_a_mistake_of_ours_travels_with_its_traceback(small_home, small_config, monkeypatch):
    def broken(*args):
        raise ZeroDivisionError("by design")

    monkeypatch.setattr(clients.turn, "open_holding", broken)
    facts = facts_of(asked(small_config(), MessageType.QUERY))
    assert facts["error"] == "ZeroDivisionError: by design"
    assert facts["exit-code"] == 1
    assert "in broken" in facts["traceback"]


def test_fault_50_weights_of_another_model_are_refused(small_home, small_config):
    records = {
        protocol.ARRAYS: record_of({"rows": np.zeros((3, 2), np.float32)}),
        protocol.FREQUENCY: record_of({protocol.FREQUENCY: np.zeros(58, np.int64)}),
    }
    facts = facts_of(asked(small_config(), MessageType.TRAIN, records=records))
    assert "'rows'" in facts["error"]
    assert "one side only" in facts["error"]


def test_fault_60_weights_that_are_a_pickle_are_never_unpickled(small_home, small_config, tmp_path):
    trace = tmp_path / "was-here"
    harmful = pickle.dumps(Touch(str(trace)))
    for stype in ("pickle", "numpy.ndarray"):
        array = Array(dtype="float32", shape=(1,), stype=stype, data=harmful)
        records = {
            protocol.ARRAYS: ArrayRecord({"rows": array}),
            protocol.FREQUENCY: ArrayRecord({protocol.FREQUENCY: Array(np.zeros(58, np.int64))}),
        }
        facts = facts_of(asked(small_config(), MessageType.TRAIN, records=records))
        assert facts["error"].startswith(("TypeError", "ValueError"))
        assert not trace.exists()
    pickle.loads(harmful)  # the harm is real
    assert trace.exists()
