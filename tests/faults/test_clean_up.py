"""The end of a run, and its resumption: what clients say of their private files, or do not."""

import importlib
import signal
import sys

import pytest

import clients.private_state
from clients.app import app
from fedrec import protocol
from fedrec.config.keys import flatten
from fedrec.errors import ConfigError, MessageError, ParticipationError
from fedrec.runs.record import load, read_json, read_rounds
from server.engines.inline import InlineGrid
from server.run import run_server

NEW = {"model.private": "gate-bias", "federation.rounds": 4, "run.checkpoint-every": 1}


def test_ctrl_c_during_the_clean_up_leaves_a_complete_run(
    run_inline, small_config, small_home, tmp_path, strike, ctrl_c
):
    strike(clients.private_state.PrivateState, "delete", 2, ctrl_c)
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run_inline(small_config(NEW), folder)
    assert read_json(folder / "run.json")["status"] == "done"
    assert len(load(folder).metrics["test"]) > 0
    resumed = run_inline(small_config(NEW | {"run.resume": True}), folder)
    assert read_json(resumed / "run.json")["status"] == "done"
    assert list((small_home / "clients").iterdir()) == []  # the clean-up was not cut short


def test_an_engine_that_fails_at_the_clean_up_does_not_undo_the_run(
    run_inline, small_config, tmp_path
):
    class Dying(InlineGrid):
        def push_messages(self, messages):
            messages = list(messages)
            if any(protocol.DELETE_STATE in m.content.config_records["config"] for m in messages):
                raise RuntimeError("the engine is gone")
            return super().push_messages(messages)

    config = small_config(NEW | {"run.dir": str(tmp_path / "run")})
    grid = Dying(app, config.partition.count, flatten(config))
    folder = run_server(grid, config, engine="inline", command="test")
    assert read_json(folder / "run.json")["status"] == "done"
    assert "not deleted: the engine is gone" in (folder / "log.txt").read_text()


@pytest.fixture
def stopped_at_three(run_inline, small_config, tmp_path, strike):
    """A run that was stopped in round 4, with a checkpoint of round 3."""
    import server.rounds

    strike(server.rounds, "train_round", 4, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run_inline(small_config(NEW), tmp_path / "run")
    return tmp_path / "run"


def answering_checks(change):
    """A ClientApp whose answer to the question for private files is changed."""

    def client(message, context):
        reply = app(message, context)
        asked = message.content.config_records["config"]
        if protocol.CHECK in asked and context.node_config["partition-id"] == 1:
            return change(reply)
        return reply

    return client


def silent(reply):
    reply.content.config_records[protocol.METADATA]["error"] = "has no time"
    return reply


def test_whoever_does_not_say_whether_its_files_are_there_costs_no_checkpoint(
    run_inline, small_config, stopped_at_three
):
    going_on = small_config(NEW | {"run.resume": True})
    with pytest.raises(ParticipationError, match="unknown: partition 1 has no time; resume again"):
        run_inline(going_on, stopped_at_three, client=answering_checks(silent))
    names = {path.name for path in (stopped_at_three / "checkpoints").iterdir()}
    assert names == {"round-00002", "round-00003"}
    assert len(read_rounds(stopped_at_three / "rounds.jsonl")[0]) == 4
    run_inline(going_on, stopped_at_three)
    [resumed] = read_json(stopped_at_three / "run.json")["resumed"]
    assert resumed["after"] == 3


def test_a_node_that_replies_late_once_is_asked_again(run_inline, small_config, stopped_at_three):
    heard = []

    def once(reply):
        heard.append(reply)
        return silent(reply) if len(heard) == 1 else reply

    client = answering_checks(once)
    run_inline(small_config(NEW | {"run.resume": True}), stopped_at_three, client=client)
    assert len(heard) == 2
    assert read_json(stopped_at_three / "run.json")["resumed"][0]["after"] == 3


def test_a_reply_that_comes_twice_changes_nothing(run_inline, small_config, stopped_at_three):
    class Twice(InlineGrid):
        def pull_messages(self, ids):
            found = list(super().pull_messages(ids))
            return found + [one for one in found if set(one.content) == {protocol.METADATA}]

    going_on = small_config(NEW | {"run.resume": True, "run.dir": str(stopped_at_three)})
    grid = Twice(app, going_on.partition.count, flatten(going_on))
    run_server(grid, going_on, engine="inline", command="test")
    assert read_json(stopped_at_three / "run.json")["resumed"][0]["after"] == 3


OWN = """
from flwr.serverapp.strategy import FedAvg

class Mine(FedAvg):
    rate = {rate}
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """``own_module(rate)`` writes a module of the user's own and forgets what was imported."""
    monkeypatch.syspath_prepend(tmp_path / "own")
    (tmp_path / "own").mkdir()

    def write(rate):
        import fedrec.config.user_code

        (tmp_path / "own" / "ownstrategy.py").write_text(OWN.format(rate=rate))
        sys.modules.pop("ownstrategy", None)
        importlib.invalidate_caches()
        fedrec.config.user_code._files.cache_clear()

    yield write
    sys.modules.pop("ownstrategy", None)


def test_a_run_does_not_go_on_under_another_strategy_of_the_users_own(
    run_inline, small_config, tmp_path, strike, own_module
):
    import server.rounds

    own_module(1.0)
    changes = NEW | {"strategy.name": "ownstrategy:Mine"}
    strike(server.rounds, "train_round", 3, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run_inline(small_config(changes), tmp_path / "run")
    own_module(0.5)
    going_on = small_config(changes | {"run.resume": True})
    with pytest.raises(ConfigError, match=r"code: ownstrategy\.py changed"):
        run_inline(going_on, tmp_path / "run")
    own_module(1.0)
    run_inline(going_on, tmp_path / "run")
    assert read_json(tmp_path / "run" / "run.json")["status"] == "done"


def test_a_client_refuses_a_server_with_another_model_of_the_users_own(
    small_home, small_config, own_module
):
    from flwr.app import ConfigRecord, Context, Message, MessageType, RecordDict

    own_module(1.0)
    config = small_config({"model.name": "ownstrategy:Mine"})
    InlineGrid(app, 0, {})
    sent = {
        protocol.FORMAT_KEY: protocol.FORMAT,
        protocol.CODE: protocol.code_fingerprint(),
        protocol.USER_CODE: "0" * 64,
    }
    message = Message(RecordDict({"config": ConfigRecord(sent)}), 1, MessageType.TRAIN)
    message.metadata.__dict__["_message_id"] = "1"
    context = Context(
        run_id=1,
        node_id=1,
        node_config={"partition-id": 0, "num-partitions": config.partition.count},
        state=RecordDict(),
        run_config=flatten(config),
    )
    facts = app(message, context).content.config_records[protocol.METADATA]
    assert facts["error"].startswith("the server has another ownstrategy.py than this client")
    assert facts["exit-code"] == MessageError.exit_code


def test_every_reason_of_a_failed_round_is_on_record(run_inline, small_config, tmp_path):
    def client(message, context):
        reply = app(message, context)
        partition = context.node_config["partition-id"]
        if message.metadata.message_type == "train" and partition in (0, 2):
            reply.content.metric_records["metrics"]["train-loss"] = float(-1 - partition)
        return reply

    folder = tmp_path / "run"
    with pytest.raises(ParticipationError, match="1 of 3 clients sent a usable reply"):
        run_inline(small_config(), folder, client=client)
    about = read_json(folder / "run.json")
    assert list(about["excluded"]) == ["round 1, try 1", "round 1, try 2"]
    for ones in about["excluded"].values():
        assert [one["partition"] for one in ones] == [0, 2]
        assert [one["reason"][:25] for one in ones] == [
            "its training loss is -1.0",
            "its training loss is -3.0",
        ]
    log = (folder / "log.txt").read_text()
    assert "round 1, try 2: excluded partition 2: its training loss is -3.0" in log
