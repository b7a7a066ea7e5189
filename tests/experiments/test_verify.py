"""`fedrec verify`: a run is what its record says, also one that lost replies."""

import json

import pytest
from flwr.app import Error, Message

import server.serving
from clients.app import app
from experiments.verify import verify
from fedrec.errors import ConfigError


@pytest.fixture
def verified(monkeypatch):
    """``verified(folder)``: what verify finds, without figures."""
    monkeypatch.setattr(server.serving, "write_report", lambda path: None)
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
    assert (line["used"], line["dropped"]) == ([0, 1, 2], [])
    assert verified(folder) == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("model.safetensors", "model.safetensors: other bytes"),
        ("users.csv", "users.csv: other bytes"),
        ("rounds.jsonl", "rounds.jsonl: train_loss of round 2 differs"),
    ],
)
def test_a_changed_run_is_told_from_an_honest_one(run_inline, small_config, verified, name, found):
    folder = run_inline(small_config())
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


def test_only_a_complete_run_can_be_verified(run_inline, small_config, verified):
    folder = run_inline(small_config())
    about = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(about | {"status": "interrupted"}))
    with pytest.raises(ConfigError, match=r"interrupted; only a complete one .*fedrec resume"):
        verified(folder)
