import pathlib
import pickle

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Context, Message, MessageType, RecordDict

from clients.app import app
from fedrec import protocol
from fedrec.config.keys import flatten
from server.engines.inline import InlineGrid
from server.engines.nodes import FIRST_NODE
from tests.clients.messages import metadata_of, record_of, reply_to, sound_records


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path(self.path),)


def test_weights_of_another_model_are_refused(small_home, small_config):
    records = {
        protocol.ARRAYS: record_of({"rows": np.zeros((3, 2), np.float32)}),
        protocol.FREQUENCY: record_of({protocol.FREQUENCY: np.zeros(58, np.int64)}),
    }
    metadata = metadata_of(reply_to(small_config(), MessageType.TRAIN, records=records))
    assert "'rows'" in metadata["error"]
    assert "one side only" in metadata["error"]


def test_weights_that_are_a_pickle_are_never_unpickled(small_home, small_config, tmp_path):
    trace = tmp_path / "was-here"
    harmful = pickle.dumps(Touch(str(trace)))
    for stype in ("pickle", "numpy.ndarray"):
        array = Array(dtype="float32", shape=(1,), stype=stype, data=harmful)
        records = {
            protocol.ARRAYS: ArrayRecord({"rows": array}),
            protocol.FREQUENCY: ArrayRecord({protocol.FREQUENCY: Array(np.zeros(58, np.int64))}),
        }
        metadata = metadata_of(reply_to(small_config(), MessageType.TRAIN, records=records))
        assert metadata["error"] == "arrays 'rows' cannot be read as an array"
        assert not trace.exists()
    pickle.loads(harmful)  # the harm is real
    assert trace.exists()


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
    (EVALUATE, protocol.SCORER, "wizard", "scorer must be one of model, popularity, item-knn"),
    (EVALUATE, protocol.PROTOCOLS, None, "the message lacks 'protocols'"),
    (QUERY, protocol.DELETE_STATE, 1, "delete-state must be true or false, got 1"),
]


@pytest.mark.parametrize(("kind", "key", "value", "words"), MALFORMED)
def test_a_malformed_message_is_refused_with_one_line(
    small_home, small_config, kind, key, value, words
):
    config = small_config()
    metadata = metadata_of(reply_to(config, kind, sent={key: value}, records=sound_records(config)))
    assert metadata["error"].startswith(words)
    assert (metadata["exit-code"], "traceback" in metadata) == (1, False)
    assert not (small_home / "clients").exists()


def test_to_forget_a_run_it_must_be_named(small_home, small_config):
    sent = {protocol.DELETE_STATE: True, protocol.TOKEN: None}
    metadata = metadata_of(reply_to(small_config(), MessageType.QUERY, sent=sent))
    assert metadata["error"] == "the message lacks 'run-token'"


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
    metadata = metadata_of(reply_to(small_config(), kind, records=records))
    assert metadata["error"].startswith("frequency must hold 58 int64 counts of 0 or more, got ")
    assert "traceback" not in metadata


@pytest.mark.parametrize("missing", [protocol.ARRAYS, protocol.FREQUENCY])
@pytest.mark.parametrize("kind", [TRAIN, EVALUATE])
def test_a_message_without_its_arrays_is_refused(small_home, small_config, kind, missing):
    records = sound_records(small_config())
    del records[missing]
    metadata = metadata_of(reply_to(small_config(), kind, records=records))
    assert metadata["error"] == f"the message has no record '{missing}'"
    assert "traceback" not in metadata


def test_a_message_without_its_config_is_refused(small_home, small_config):
    InlineGrid(app, 1, {})
    message = Message(RecordDict(), FIRST_NODE, MessageType.QUERY)
    message.metadata.__dict__["_message_id"] = "message"
    run_config = flatten(small_config())
    node = {"partition-id": 0, "num-partitions": 3}
    metadata = metadata_of(app(message, Context(1, FIRST_NODE, node, RecordDict(), run_config)))
    assert metadata["error"] == "the message has no record 'config'"
    assert "traceback" not in metadata


@pytest.mark.parametrize(("key", "value"), [("partition-id", "two"), ("threads", 1.5)])
def test_a_node_that_does_not_know_its_number_says_so(small_home, small_config, key, value):
    metadata = metadata_of(reply_to(small_config(), MessageType.QUERY, node={key: value}))
    assert metadata["error"].startswith(
        f"{key} of this SuperNode must be a whole number, got {value!r}"
    )
    assert metadata["exit-code"] == 2
