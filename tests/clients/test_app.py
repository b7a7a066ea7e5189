from pathlib import Path

import numpy as np
import pytest
import torch
from flwr.app import Context, Message, MessageType, RecordDict

import clients.handlers
from clients.app import app
from fedrec import protocol
from fedrec.config.keys import flatten
from server.engines.inline import InlineGrid
from server.engines.nodes import FIRST_NODE
from tests.clients.messages import metadata_of, reply_to, sound_records


def test_a_query_tells_what_the_partition_holds(small_home, small_config):
    reply = reply_to(small_config(), MessageType.QUERY, partition=2)
    metadata = metadata_of(reply)
    census = reply.content.array_records[protocol.REGISTRATION]
    assert metadata[protocol.PARTITION] == 2
    assert len(metadata["user-ids"]) == len(census["users"].numpy()) == 20
    assert set(census) == {"users", "counts"}
    assert reply.content.metric_records[protocol.METRICS][protocol.NUM_EXAMPLES] > 0


def test_other_code_is_refused_with_one_line_and_a_code(small_home, small_config):
    metadata = metadata_of(
        reply_to(small_config(), MessageType.QUERY, sent={protocol.CODE: "0" * 64})
    )
    assert metadata["error"].startswith("the server runs other code than this client")
    assert "\n" not in metadata["error"]
    assert metadata["exit-code"] == 1
    assert metadata[protocol.PARTITION] == 0
    assert "traceback" not in metadata  # nothing is wrong with our code


def test_another_message_format_is_refused(small_home, small_config):
    metadata = metadata_of(
        reply_to(small_config(), MessageType.QUERY, sent={protocol.FORMAT_KEY: 99})
    )
    assert metadata["error"].startswith("the server speaks message format 99, this client 7;")


@pytest.mark.parametrize("nodes", [2, 4])
def test_another_number_of_nodes_is_refused(small_home, small_config, nodes):
    metadata = metadata_of(reply_to(small_config(), MessageType.QUERY, nodes=nodes))
    assert metadata["error"].startswith(
        f"there are {nodes} SuperNodes but partition.count is 3; set partition.count={nodes} or"
    )


def test_a_partition_that_is_out_of_range_is_refused(small_home, small_config):
    metadata = metadata_of(reply_to(small_config(), MessageType.QUERY, partition=3))
    assert metadata["error"].startswith("partition 3 does not exist, there are 3 (0 to 2)")
    assert metadata["exit-code"] == 2


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
    metadata = metadata_of(reply_to(small_config(changes), MessageType.QUERY))
    assert metadata["exit-code"] == code
    assert words in metadata["error"]
    assert "\n" not in metadata["error"]


def test_a_key_that_a_client_does_not_know_is_an_error_of_the_config(small_home, small_config):
    config = small_config()
    InlineGrid(app, 1, {})
    message = Message(RecordDict(), FIRST_NODE, MessageType.QUERY)
    message.metadata.__dict__["_message_id"] = "message"
    run_config = flatten(config) | {"local.epoch": 3}
    context = Context(1, FIRST_NODE, {"partition-id": 0}, RecordDict(), run_config)
    metadata = metadata_of(app(message, context))
    assert metadata["exit-code"] == 2
    assert "unknown key 'local.epoch'; did you mean 'local.epochs'?" in metadata["error"]


def test_a_mistake_of_ours_travels_with_its_traceback(small_home, small_config, monkeypatch):
    def broken(*args):
        raise ZeroDivisionError("by design")

    monkeypatch.setattr(clients.handlers, "open_local_data", broken)
    metadata = metadata_of(reply_to(small_config(), MessageType.QUERY))
    assert metadata["error"] == "ZeroDivisionError: by design"
    assert metadata["exit-code"] == 1
    assert "in broken" in metadata["traceback"]


def test_a_long_reason_travels_as_one_short_line(small_home, small_config, monkeypatch):
    def broken(*args):
        raise RuntimeError("size mismatch\n" * 100 + "\udcff")

    monkeypatch.setattr(clients.handlers, "open_local_data", broken)
    metadata = metadata_of(reply_to(small_config(), MessageType.QUERY))
    assert metadata["error"].startswith("RuntimeError: size mismatch size mismatch")
    assert len(metadata["error"]) < 410
    assert metadata["traceback"].count("size mismatch\n") == 100
    for text in (metadata["error"], metadata["traceback"]):
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
def test_what_the_machine_lacks_is_said_with_exit_code_5(
    small_home, small_config, monkeypatch, lack, words
):
    monkeypatch.setattr(clients.handlers, "open_local_data", lambda *args: lack())
    metadata = metadata_of(reply_to(small_config(), MessageType.QUERY))
    assert metadata["error"].startswith(words)
    assert (metadata["exit-code"], "traceback" in metadata) == (
        (1, True) if "Errno" in words else (5, False)
    )


def test_training_that_diverges_is_a_reason_and_no_reply(small_home, small_config):
    config = small_config({"local.learning-rate": 1e30})
    reply = reply_to(config, MessageType.TRAIN, records=sound_records(config))
    metadata = metadata_of(reply)
    assert metadata["error"].startswith("its training diverged: loss nan at step 2; lower local.")
    assert (metadata["exit-code"], "traceback" in metadata) == (1, False)
    assert not reply.content.array_records
