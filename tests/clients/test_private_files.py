import hashlib

import numpy as np
from flwr.app import MessageType

from fedrec import protocol
from tests.clients.messages import TOKEN, metadata_of, reply_to, sound_records


def files_of(home):
    return sorted(path.name for path in (home / "clients").rglob("*") if path.is_file())


def test_a_train_reply_names_the_private_file_that_it_left(small_home, small_config):
    config = small_config({"model.private": "gate-bias"})
    reply = reply_to(config, MessageType.TRAIN, records=sound_records(config))
    metadata = metadata_of(reply)
    path = small_home / "clients" / TOKEN / "partition-00000" / "round-00001.safetensors"
    assert metadata == {
        protocol.PARTITION: 0,
        protocol.ROUND: 1,
        protocol.PRIVATE: hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    again = reply_to(config, MessageType.TRAIN, records=sound_records(config))
    assert metadata_of(again) == metadata
    for name, array in reply.content.array_records[protocol.ARRAYS].items():
        found = again.content.array_records[protocol.ARRAYS][name]
        np.testing.assert_array_equal(found.numpy(), array.numpy())


def test_the_digest_is_empty_where_nothing_is_kept(small_home, small_config):
    config = small_config({"local.optimizer-state": "reset"})
    metadata = metadata_of(reply_to(config, MessageType.TRAIN, records=sound_records(config)))
    assert metadata[protocol.PRIVATE] == ""
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
        reply = reply_to(config, MessageType.TRAIN, sent=sent, records=sound_records(config))
        digests[number] = metadata_of(reply)[protocol.PRIVATE]
    assert files_of(small_home) == [f"round-0000{number}.safetensors" for number in (3, 5, 6)]


def test_the_personal_model_is_that_of_the_private_file_that_is_named(small_home, small_config):
    config = small_config({"model.private": "gate-bias"})
    records = sound_records(config)
    digest = metadata_of(reply_to(config, MessageType.TRAIN, records=records))[protocol.PRIVATE]
    sent = {protocol.LAST_ACCEPTED: 1, protocol.PRIVATE: digest}
    reply = reply_to(config, MessageType.EVALUATE, sent=sent, records=records)
    assert "personal" in reply.content.array_records[protocol.RANKS]
    sent[protocol.PRIVATE] = digest[::-1]
    metadata = metadata_of(reply_to(config, MessageType.EVALUATE, sent=sent, records=records))
    assert metadata["exit-code"] == 5
    assert "is not the one the server accepted" in metadata["error"]


def test_private_files_outlive_the_last_evaluation_and_go_when_it_is_said(small_home, small_config):
    config = small_config()
    records = sound_records(config)
    for partition in (0, 1):
        reply_to(config, MessageType.TRAIN, partition=partition, records=records)
    reply_to(config, MessageType.EVALUATE, sent={protocol.STAGE: "test"}, records=records)
    assert len(files_of(small_home)) == 2
    forget = {protocol.DELETE_STATE: True}
    reply = reply_to(config, MessageType.QUERY, sent=forget)
    assert metadata_of(reply) == {protocol.PARTITION: 0}
    assert not reply.content.array_records
    assert not reply.content.metric_records
    assert len(files_of(small_home)) == 1  # the other client's
    reply_to(config, MessageType.QUERY, sent=forget, partition=1)
    assert not (small_home / "clients" / TOKEN).exists()
