"""`fedrec verify`: a run is what its record says, also one that lost replies."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Error, Message

import experiments.reproducibility.verify
import server.run
from clients.app import app
from experiments.reproducibility.verify import compare, verify
from fedrec.errors import ConfigError, DataError
from fedrec.runs.write import write_about
from server.messages.exchange import SampledNodes


@pytest.fixture
def verified(monkeypatch):
    """``verified(folder)``: what verify finds, without figures."""
    monkeypatch.setattr(server.run, "write_report", lambda path: None)
    return lambda folder: verify(folder, engine="inline", command="test")


def losing(lost):
    """A ClientApp that fails where ``lost`` holds (type of message, round, partition)."""

    def client(message, context):
        sent = message.content.config_records["config"]
        asked = (message.metadata.message_type, sent.get("server-round"), sent.get("partition"))
        if asked in lost:
            return Message(Error(code=0, reason="went away"), reply_to=message)
        return app(message, context)

    return client


def test_a_run_is_verified(run_inline, small_config, verified):
    changes = {"federation.drop-out": 0.3, "federation.min-participation": 0.1}
    folder = run_inline(small_config(changes | {"model.private": "gate-bias"}))
    assert verified(folder) == []


def test_recorded_drops_are_replayed_in_training_and_evaluation(run_inline, small_config, verified):
    config = small_config({"federation.rounds": 3, "model.private": "gate-bias"})
    lost = {("train", 2, 1), ("evaluate", 1, 2), ("evaluate", 3, 0)}
    folder = run_inline(config, client=losing(lost))
    assert json.loads((folder / "run.json").read_text())["status"] == "degraded"
    whole = run_inline(config, folder.with_name("whole"))
    model = "model.safetensors"
    assert (folder / model).read_bytes() != (whole / model).read_bytes()
    assert verified(folder) == []


def test_a_round_that_was_tried_twice_is_verified(run_inline, small_config, verified):
    tries = []

    def client(message, context):
        sent = message.content.config_records["config"]
        asked = (message.metadata.message_type, sent.get("server-round"), sent.get("partition"))
        # The first try loses two of three, which is too few; the second loses none.
        if asked in {("train", 2, 0), ("train", 2, 1)}:
            tries.append(asked)
            if len(tries) < 3:
                return Message(Error(code=0, reason="went away"), reply_to=message)
        return app(message, context)

    folder = run_inline(small_config(), client=client)
    line = json.loads((folder / "rounds.jsonl").read_text().splitlines()[2])
    assert [one["partition"] for one in line["retried"]] == [0, 1]
    assert (line["aggregated"], line["excluded"]) == ([0, 1, 2], [])
    assert verified(folder) == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("model.safetensors", "model.safetensors: other bytes"),
        ("users.csv", "users.csv: other bytes"),
        ("rounds.jsonl", "rounds.jsonl: train_loss of round 2 differs"),
    ],
)
def test_a_changed_run_is_told_from_an_honest_one(run_copy, small_config, verified, name, found):
    folder = run_copy(small_config())
    path = folder / name
    if name == "rounds.jsonl":
        lines = path.read_text().splitlines()
        last = json.loads(lines[-1])
        lines[-1] = json.dumps(last | {"train_loss": last["train_loss"] - 1e-9})
        path.write_text("\n".join(lines) + "\n")
    else:
        content = bytearray(path.read_bytes())
        content[-5] ^= 1
        path.write_bytes(content)
    assert verified(folder) == [found]


def test_only_a_complete_run_can_be_verified(run_copy, small_config, verified):
    folder = run_copy(small_config())
    about = json.loads((folder / "run.json").read_text())
    write_about(folder / "run.json", about | {"status": "interrupted"})
    with pytest.raises(ConfigError, match=r"interrupted; only a complete one .*fedrec resume"):
        verified(folder)


@pytest.mark.parametrize(("timeout", "expected"), [(900.0, 3600.0), (7200.0, 7200.0)])
def test_a_repetition_waits_at_least_as_long_as_the_default(
    run_inline, small_config, verified, monkeypatch, timeout, expected
):
    folder = run_inline(small_config({"federation.round-timeout": timeout}))
    start, waited = experiments.reproducibility.verify.start, []

    def watched(config, engine, **how):
        waited.append(config.federation.round_timeout)
        return start(config, engine, **how)

    monkeypatch.setattr(experiments.reproducibility.verify, "start", watched)
    assert verified(folder) == []
    assert waited == [expected]


class Doubling(SampledNodes):
    """A grid that hands out partition 1's replies twice, and one more from a node nobody knows."""

    def __init__(self, grid):
        super().__init__(grid, grid.get_node_ids())

    def pull_messages(self, message_ids):
        found = self._grid.pull_messages(message_ids)
        replies = sorted(found, key=lambda one: one.metadata.src_node_id)
        if not replies or replies[0].metadata.message_type == "query":
            return replies
        stranger = Message(replies[0].content, reply_to=replies[0])
        stranger.metadata.__dict__["_src_node_id"] = 1
        return [*replies, replies[1], stranger]


def test_replies_that_nobody_missed_are_not_replayed(run_inline, small_config, verified):
    folder = run_inline(small_config(), wrap=Doubling)
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    left_out = {(one["partition"], one["reason"], one["while"]) for one in lines[2]["excluded"]}
    assert left_out == {
        (partition, reason, doing)
        for partition, reason in ((1, "replied twice"), (-1, "was not sampled in this round"))
        for doing in ("train", "evaluate")
    }
    assert lines[2]["aggregated"] == [0, 1, 2]
    assert verified(folder) == []


def test_a_client_that_was_left_out_in_one_run_only_is_a_difference(
    run_inline, run_once, small_config
):
    config = small_config()
    folder = run_inline(config, client=losing({("evaluate", 2, 1)}))
    found = compare(folder, run_once(config))
    assert "rounds.jsonl: excluded of round 2 differs" in found


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["ranks.npz", "model.safetensors", "users.csv", "rounds.jsonl"])
def test_a_run_without_one_of_its_files_is_refused_before_it_is_repeated(
    run_copy, small_config, verified, monkeypatch, name
):
    folder = run_copy(small_config({"federation.rounds": 1}))
    (folder / name).unlink()
    monkeypatch.delattr(experiments.reproducibility.verify, "start")  # to repeat it is an error now
    with pytest.raises(DataError, match=f"{folder / name} is missing") as refusal:
        verified(folder)
    assert refusal.value.exit_code == 4


def as_array(path):
    with path.open("wb") as file:
        np.save(file, np.arange(3))


DAMAGES = {
    "junk": lambda path: path.write_bytes(b"no archive"),
    "empty": lambda path: os.truncate(path, 0),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "flipped": flipped,
    "an array": as_array,
}


def test_ranks_that_cannot_be_read_are_refused_before_a_run_is_repeated(
    run_copy, small_config, verified, monkeypatch
):
    folder = run_copy(small_config({"federation.rounds": 1}))
    monkeypatch.delattr(experiments.reproducibility.verify, "start")
    for how, damage in DAMAGES.items():
        copy = Path(shutil.copytree(folder, folder.with_name(how)))
        damage(copy / "ranks.npz")
        with pytest.raises(DataError, match=f"{copy / 'ranks.npz'} is damaged: "):
            verified(copy)
