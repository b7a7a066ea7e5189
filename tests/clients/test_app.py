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
from tests.clients.asking import asked, facts_of, sound_records


def test_a_query_tells_what_the_partition_holds(small_home, small_config):
    reply = asked(small_config(), MessageType.QUERY, partition=2)
    facts = facts_of(reply)
    census = reply.content.array_records[protocol.REGISTRATION]
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
    assert facts["error"].startswith("the server speaks message format 99, this client 4;")


@pytest.mark.parametrize("nodes", [2, 4])
def test_another_number_of_nodes_is_refused(small_home, small_config, nodes):
    facts = facts_of(asked(small_config(), MessageType.QUERY, nodes=nodes))
    assert facts["error"].startswith(
        f"there are {nodes} SuperNodes but partition.count is 3; set partition.count={nodes} or"
    )


def test_a_partition_that_is_out_of_range_is_refused(small_home, small_config):
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

    monkeypatch.setattr(clients.handlers, "open_local_data", broken)
    facts = facts_of(asked(small_config(), MessageType.QUERY))
    assert facts["error"] == "ZeroDivisionError: by design"
    assert facts["exit-code"] == 1
    assert "in broken" in facts["traceback"]


def test_a_long_reason_travels_as_one_short_line(small_home, small_config, monkeypatch):
    def broken(*args):
        raise RuntimeError("size mismatch\n" * 100 + "\udcff")

    monkeypatch.setattr(clients.handlers, "open_local_data", broken)
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
def test_what_the_machine_lacks_is_said_with_exit_code_5(
    small_home, small_config, monkeypatch, lack, words
):
    monkeypatch.setattr(clients.handlers, "open_local_data", lambda *args: lack())
    facts = facts_of(asked(small_config(), MessageType.QUERY))
    assert facts["error"].startswith(words)
    assert (facts["exit-code"], "traceback" in facts) == (
        (1, True) if "Errno" in words else (5, False)
    )


def test_training_that_diverges_is_a_reason_and_no_reply(small_home, small_config):
    config = small_config({"local.learning-rate": 1e30})
    reply = asked(config, MessageType.TRAIN, records=sound_records(config))
    facts = facts_of(reply)
    assert facts["error"].startswith("its training diverged: loss nan at step 2; lower local.")
    assert (facts["exit-code"], "traceback" in facts) == (1, False)
    assert not reply.content.array_records
