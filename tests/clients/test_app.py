import hashlib
import pathlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
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
from fedrec.models.parameters import arrays_of, groups_of
from fedrec.workbench.data import open_data, prepare_data
from fedrec.workbench.model import make_model, open_table
from server.inline import InlineGrid
from server.nodes import FIRST_NODE

TOKEN = "0123456789abcdef"


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path(self.path),)


def record_of(arrays):
    return ArrayRecord({name: Array(array) for name, array in arrays.items()})


def asked(config, kind, *, partition=0, nodes=None, sent=None, records=None, node=None):
    """The reply of the ClientApp to one message; None in ``sent`` leaves a key out."""
    InlineGrid(app, 1, {})  # without a running task, Flower makes no message
    told = {
        protocol.FORMAT_KEY: protocol.FORMAT,
        protocol.CODE: protocol.code_fingerprint(),
        protocol.TOKEN: TOKEN,
        protocol.ROUND: 1,
        protocol.LAST_ACCEPTED: 0,
        protocol.PRIVATE: "",
        protocol.KEEP: "",
        protocol.STAGE: "validation",
        protocol.SCORER: "model",
        protocol.PROTOCOLS: "full",
    } | (sent or {})
    told = {key: value for key, value in told.items() if value is not None}
    content = RecordDict({protocol.CONFIG: ConfigRecord(told)} | (records or {}))
    message = Message(content, FIRST_NODE, kind)
    message.metadata.__dict__["_message_id"] = "asked"
    context = Context(
        run_id=1,
        node_id=FIRST_NODE,
        node_config={
            "partition-id": partition,
            "num-partitions": config.partition.count if nodes is None else nodes,
        }
        | (node or {}),
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
    assert facts["error"].startswith("the server speaks message format 99, this client 3;")


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


def test_a_long_reason_travels_as_one_short_line(small_home, small_config, monkeypatch):
    def broken(*args):
        raise RuntimeError("size mismatch\n" * 100 + "\udcff")

    monkeypatch.setattr(clients.turn, "open_holding", broken)
    facts = facts_of(asked(small_config(), MessageType.QUERY))
    assert facts["error"].startswith("RuntimeError: size mismatch size mismatch")
    assert len(facts["error"]) < 410
    assert facts["traceback"].count("size mismatch\n") == 100
    for text in (facts["error"], facts["traceback"]):
        text.encode()  # a lone surrogate could not be sent


def fill_the_disk():
    with open("/dev/full", "wb") as file:
        file.write(b"1")


@pytest.mark.parametrize(
    ("lack", "words"),
    [
        (lambda: np.zeros(10**15), "its machine ran out of memory; lower local.batch-size"),
        (lambda: torch.zeros(10**15), "its machine ran out of memory; lower local.batch-size"),
        (fill_the_disk, "its machine refused: No space left on device"),
        (lambda: Path("x" * 300).write_text(""), "OSError: [Errno 36] File name too long"),
    ],
    ids=["numpy", "torch", "disk", "not the machine"],
)
def test_fault_61_what_the_machine_lacks_is_said_with_exit_code_5(
    small_home, small_config, monkeypatch, lack, words
):
    monkeypatch.setattr(clients.turn, "open_holding", lambda *args: lack())
    facts = facts_of(asked(small_config(), MessageType.QUERY))
    assert facts["error"].startswith(words)
    assert (facts["exit-code"], "traceback" in facts) == (
        (1, True) if "Errno" in words else (5, False)
    )


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
        assert facts["error"] == "arrays 'rows' cannot be read as an array"
        assert not trace.exists()
    pickle.loads(harmful)  # the harm is real
    assert trace.exists()


def sound_records(config):
    """The arrays of a message that nothing is wrong with."""
    catalog = open_data(prepare_data(config))[0].catalog
    counts = np.ones(catalog.num_items + 1, np.int64)
    model = make_model(config, catalog, open_table(config, catalog), counts)
    private = ["gate-bias"] if config.model.private else []
    return {
        protocol.ARRAYS: record_of(arrays_of(model, groups_of(model, private).shared)),
        protocol.FREQUENCY: record_of({protocol.FREQUENCY: counts}),
    }


def files_of(home):
    return sorted(path.name for path in (home / "clients").rglob("*") if path.is_file())


def test_a_train_reply_names_the_private_file_that_it_left(small_home, small_config):
    config = small_config({"model.private": "gate-bias"})
    reply = asked(config, MessageType.TRAIN, records=sound_records(config))
    facts = facts_of(reply)
    path = small_home / "clients" / TOKEN / "partition-00000" / "round-00001.safetensors"
    assert facts == {
        protocol.PARTITION: 0,
        protocol.ROUND: 1,
        protocol.PRIVATE: hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    again = asked(config, MessageType.TRAIN, records=sound_records(config))
    assert facts_of(again) == facts
    for name, array in reply.content.array_records[protocol.ARRAYS].items():
        found = again.content.array_records[protocol.ARRAYS][name]
        np.testing.assert_array_equal(found.numpy(), array.numpy())


def test_the_digest_is_empty_where_nothing_is_kept(small_home, small_config):
    config = small_config({"local.optimizer-state": "reset"})
    facts = facts_of(asked(config, MessageType.TRAIN, records=sound_records(config)))
    assert facts[protocol.PRIVATE] == ""
    assert not (small_home / "clients").exists()


def test_rounds_that_the_server_names_are_kept(small_home, small_config):
    config = small_config()
    digests = {}
    for number in range(1, 7):
        sent = {
            protocol.ROUND: number,
            protocol.LAST_ACCEPTED: number - 1,
            protocol.PRIVATE: digests.get(number - 1, ""),
            protocol.KEEP: "1,3" if number > 3 else "",
        }
        reply = asked(config, MessageType.TRAIN, sent=sent, records=sound_records(config))
        digests[number] = facts_of(reply)[protocol.PRIVATE]
    assert files_of(small_home) == [f"round-0000{number}.safetensors" for number in (3, 5, 6)]


def test_the_personal_model_is_that_of_the_private_file_that_is_named(small_home, small_config):
    config = small_config({"model.private": "gate-bias"})
    records = sound_records(config)
    digest = facts_of(asked(config, MessageType.TRAIN, records=records))[protocol.PRIVATE]
    sent = {protocol.LAST_ACCEPTED: 1, protocol.PRIVATE: digest}
    reply = asked(config, MessageType.EVALUATE, sent=sent, records=records)
    assert "personal" in reply.content.array_records[protocol.RANKS]
    sent[protocol.PRIVATE] = digest[::-1]
    facts = facts_of(asked(config, MessageType.EVALUATE, sent=sent, records=records))
    assert facts["exit-code"] == 5
    assert "is not the one the server accepted" in facts["error"]


def test_private_files_outlive_the_last_evaluation_and_go_when_it_is_said(small_home, small_config):
    config = small_config()
    records = sound_records(config)
    for partition in (0, 1):
        asked(config, MessageType.TRAIN, partition=partition, records=records)
    asked(config, MessageType.EVALUATE, sent={protocol.STAGE: "test"}, records=records)
    assert len(files_of(small_home)) == 2
    forget = {protocol.FORGET: True}
    reply = asked(config, MessageType.QUERY, sent=forget)
    assert facts_of(reply) == {protocol.PARTITION: 0}
    assert not reply.content.array_records
    assert not reply.content.metric_records
    assert len(files_of(small_home)) == 1  # the other client's
    asked(config, MessageType.QUERY, sent=forget, partition=1)
    assert not (small_home / "clients" / TOKEN).exists()


def test_fault_55_training_that_diverges_is_a_reason_and_no_reply(small_home, small_config):
    config = small_config({"local.learning-rate": 1e30})
    reply = asked(config, MessageType.TRAIN, records=sound_records(config))
    facts = facts_of(reply)
    assert facts["error"].startswith("its training diverged: loss nan at step 2; lower local.")
    assert (facts["exit-code"], "traceback" in facts) == (1, False)
    assert not reply.content.array_records


TRAIN, EVALUATE, QUERY = MessageType.TRAIN, MessageType.EVALUATE, MessageType.QUERY
MALFORMED = [
    (TRAIN, protocol.ROUND, None, "the message lacks 'server-round'"),
    (TRAIN, protocol.ROUND, 0, "server-round must be a whole number of 1 or more, got 0"),
    (TRAIN, protocol.ROUND, "1", "server-round must be a whole number of 1 or more, got '1'"),
    (TRAIN, protocol.ROUND, True, "server-round must be a whole number of 1 or more, got True"),
    (TRAIN, protocol.LAST_ACCEPTED, None, "the message lacks 'last-accepted'"),
    (TRAIN, protocol.LAST_ACCEPTED, -1, "last-accepted must be a whole number of 0 or more"),
    (TRAIN, protocol.LAST_ACCEPTED, 1, "last-accepted is 1 in round 1, not an earlier one"),
    (TRAIN, protocol.PRIVATE, None, "the message lacks 'private-sha256'"),
    (TRAIN, protocol.PRIVATE, "../..", "private-sha256 cannot be '../..'"),
    (TRAIN, protocol.KEEP, None, "the message lacks 'keep'"),
    (TRAIN, protocol.KEEP, "3,,5", "keep cannot be '3,,5'"),
    (TRAIN, protocol.KEEP, 3, "keep cannot be 3"),
    (TRAIN, protocol.TOKEN, None, "the message lacks 'run-token'"),
    (TRAIN, protocol.TOKEN, "../../x", "run token must be 8 to 64 hexadecimal digits"),
    (TRAIN, protocol.PROXIMAL_MU, "1", "proximal-mu must be a number of 0 or more, got '1'"),
    (TRAIN, protocol.PROXIMAL_MU, -0.5, "proximal-mu must be a number of 0 or more, got -0.5"),
    (TRAIN, protocol.PROXIMAL_MU, float("nan"), "proximal-mu must be a number of 0 or more, got n"),
    (TRAIN, protocol.PARTITION, 2, "the message is for partition 2, this is partition 0"),
    (EVALUATE, protocol.ROUND, -1, "server-round must be a whole number of 0 or more, got -1"),
    (EVALUATE, protocol.LAST_ACCEPTED, 0.0, "last-accepted must be a whole number of 0 or more"),
    (EVALUATE, protocol.STAGE, "training", "stage must be one of validation, test, got 'training'"),
    (EVALUATE, protocol.SCORER, "oracle", "scorer must be one of model, popularity, item-knn"),
    (EVALUATE, protocol.PROTOCOLS, None, "the message lacks 'protocols'"),
    (QUERY, protocol.FORGET, 1, "forget must be true or false, got 1"),
]


@pytest.mark.parametrize(("kind", "key", "value", "words"), MALFORMED)
def test_a_malformed_message_is_refused_with_one_line(
    small_home, small_config, kind, key, value, words
):
    config = small_config()
    facts = facts_of(asked(config, kind, sent={key: value}, records=sound_records(config)))
    assert facts["error"].startswith(words)
    assert (facts["exit-code"], "traceback" in facts) == (1, False)
    assert not (small_home / "clients").exists()


def test_to_forget_a_run_it_must_be_named(small_home, small_config):
    sent = {protocol.FORGET: True, protocol.TOKEN: None}
    facts = facts_of(asked(small_config(), MessageType.QUERY, sent=sent))
    assert facts["error"] == "the message lacks 'run-token'"


COUNTS = {
    "another catalogue": np.ones(5, np.int64),
    "another dtype": np.ones(58, np.int32),
    "another shape": np.ones((58, 1), np.int64),
    "negative": np.full(58, -1),
}


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS.keys())
@pytest.mark.parametrize("kind", [TRAIN, EVALUATE])
def test_frequencies_that_are_no_counts_of_the_catalogue_are_refused(
    small_home, small_config, kind, counts
):
    records = sound_records(small_config())
    records[protocol.FREQUENCY] = record_of({protocol.FREQUENCY: counts})
    facts = facts_of(asked(small_config(), kind, records=records))
    assert facts["error"].startswith("frequency must hold 58 int64 counts of 0 or more, got ")
    assert "traceback" not in facts


@pytest.mark.parametrize("missing", [protocol.ARRAYS, protocol.FREQUENCY])
@pytest.mark.parametrize("kind", [TRAIN, EVALUATE])
def test_a_message_without_its_arrays_is_refused(small_home, small_config, kind, missing):
    records = sound_records(small_config())
    del records[missing]
    facts = facts_of(asked(small_config(), kind, records=records))
    assert facts["error"] == f"the message has no record '{missing}'"
    assert "traceback" not in facts


def test_a_message_without_its_config_is_refused(small_home, small_config):
    InlineGrid(app, 1, {})
    message = Message(RecordDict(), FIRST_NODE, MessageType.QUERY)
    message.metadata.__dict__["_message_id"] = "asked"
    run_config = flatten(small_config())
    node = {"partition-id": 0, "num-partitions": 3}
    facts = facts_of(app(message, Context(1, FIRST_NODE, node, RecordDict(), run_config)))
    assert facts["error"] == "the message has no record 'config'"
    assert "traceback" not in facts


@pytest.mark.parametrize(("key", "value"), [("partition-id", "two"), ("threads", 1.5)])
def test_a_node_that_does_not_know_its_number_says_so(small_home, small_config, key, value):
    facts = facts_of(asked(small_config(), MessageType.QUERY, node={key: value}))
    assert facts["error"].startswith(
        f"{key} of this SuperNode must be a whole number, got {value!r}"
    )
    assert facts["exit-code"] == 2
