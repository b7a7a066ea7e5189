"""A run over users that was stopped or killed goes on to the bytes of one that was not."""

import shutil

import numpy as np
import pytest

import clients.handlers
import server.checkpoints.recorder
import server.evaluation.final
import server.rounds
import server.training.collect
from experiments.reproducibility.verify import compare, verify
from fedrec.config.keys import read_config
from fedrec.runs.record import read_rounds
from server.checkpoints.folder import load_checkpoint, save_checkpoint
from server.sampling.excluded import DROPPED_OUT
from tests.server.rounds.users_one_by_one import USERS

ADAM = USERS | {
    "federation.cohort": 10,
    "federation.sampling": "poisson",
    "federation.drop-out": 0.5,
    "federation.min-participation": 0.4,
    "federation.rounds": 5,
    "federation.upload": "int8",
    "federation.download": "float16",
    "strategy.name": "server-adam",
    "strategy.options": "learning-rate = 0.01",
    "local.steps": 2,
    "run.checkpoint-every": 2,
    "seed": 4,  # the first attempt of round 4 loses too many
}
SPARSE = ADAM | {
    "federation.row-averaging": "sparse",
    "federation.upload": "float32",
    "strategy.name": "fedavg",
    "strategy.options": "",
}

# Which call of what. A try of a round is one exchange: round 4 has the fourth and the fifth.
STAGES = {
    "a client task": (clients.handlers, "train_users", 3),
    "round 2": (server.training.collect, "exchange", 2),
    "the first attempt of round 4": (server.training.collect, "exchange", 4),
    "the second attempt of round 4": (server.training.collect, "exchange", 5),
    "the mean of round 4": (server.rounds, "aggregate", 4),
    "a checkpoint": (server.checkpoints.recorder, "save_checkpoint", 2),
    "the final evaluation": (server.evaluation.final, "evaluate", 5),
}
# Where nothing is left behind that another stage does not leave, too.
LIKE_OTHERS = ("round 2", "the mean of round 4", "a checkpoint")


def last_state(folder):
    """What goes on from round to round, but for the time."""
    state = load_checkpoint(folder)[0].state
    weights = {name: array.tobytes() for name, array in state.weights.items()}
    return weights, state.participants, state.megabytes, state.targets


def assert_same(whole, folder, left_by):
    assert compare(whole, folder) == []
    assert left_by(whole) == left_by(folder)  # the traffic too, whatever was excluded
    assert last_state(whole) == last_state(folder)


def test_what_is_resumed_is_not_easy(run_once, small_config, left_by):
    for plan in (ADAM, SPARSE):
        folder = run_once(small_config(plan))
        lines = left_by(folder)[1]
        assert [line["round"] for line in lines if line["retried"]] == [4]
        assert {one["reason"] for line in lines for one in line["excluded"]} == {DROPPED_OUT}
        assert len({line["users"]["sampled"] for line in lines[1:]}) > 1
        seen = np.unpackbits(np.frombuffer(bytes.fromhex(last_state(folder)[1]), np.uint8))
        asked = [line["users"]["aggregated"] for line in lines[1:]]
        asked.append(lines[4]["users"]["sampled"] - len(lines[4]["retried"]))
        assert max(asked) < seen.sum() < sum(asked)  # some were asked twice


@pytest.mark.parametrize(
    "stage",
    [pytest.param(stage, marks=[pytest.mark.slow] * (stage in LIKE_OTHERS)) for stage in STAGES],
)
def test_a_run_over_users_stopped_at_any_stage_goes_on_to_the_same_bytes(
    run_inline, run_once, small_config, tmp_path, strike, ctrl_c, left_by, about, stage
):
    config, folder = small_config(ADAM), tmp_path / "run"
    whole = run_once(config)
    strike(*STAGES[stage], ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        run_inline(config, folder)
    assert about(folder)["exit_code"] == 130
    run_inline(read_config({"run.resume": True}, config), folder)
    assert_same(whole, folder, left_by)


def test_rows_that_are_means_over_those_who_read_them_go_on_after_every_round(
    run_inline, run_once, small_config, tmp_path, ctrl_c, left_by, about
):
    config, folder = small_config(SPARSE), tmp_path / "run"
    going_on, stops = read_config({"run.resume": True}, config), 0

    def stop(line):
        if line["round"] > stops:
            ctrl_c()

    while stops < 5:
        with pytest.raises(KeyboardInterrupt):
            run_inline(going_on if stops else config, folder, on_round=stop)
        stops += 1
    run_inline(going_on, folder, on_round=stop)
    assert [one["after"] for one in about(folder)["resumed"]] == [1, 2, 3, 4, 5]
    assert_same(run_once(config), folder, left_by)


@pytest.mark.slow
def test_a_run_over_users_that_was_killed_goes_on_and_is_verified(
    run_inline, small_config, tmp_path, left_by, about
):
    config, killed = small_config(ADAM), tmp_path / "killed"

    def copy(line):  # what a process that is killed now leaves: it writes nothing more
        if line["round"] == 3:
            shutil.copytree(tmp_path / "whole", killed, ignore=shutil.ignore_patterns(".lock"))

    whole = run_inline(config, tmp_path / "whole", on_round=copy)
    assert about(killed)["status"] == "running"
    assert load_checkpoint(killed)[0].round == 2
    assert [line["round"] for line in read_rounds(killed / "rounds.jsonl")[0]] == [0, 1, 2, 3]
    run_inline(read_config({"run.resume": True}, config), killed)
    assert [one["after"] for one in about(killed)["resumed"]] == [2]
    assert_same(whole, killed, left_by)
    assert verify(killed, engine="inline", command="test") == []


def test_who_holds_the_table_already_is_compared(
    run_inline, run_once, small_config, tmp_path, strike, ctrl_c
):
    config, folder = small_config(ADAM), tmp_path / "run"
    whole = run_once(config)
    strike(server.training.collect, "exchange", 3, ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        run_inline(config, folder)
    forgetful = load_checkpoint(folder)[0]
    forgetful.state.participants = ""
    save_checkpoint(folder, forgetful)
    run_inline(read_config({"run.resume": True}, config), folder)
    found = compare(whole, folder)
    assert "rounds.jsonl: client_megabytes of round 5 differs" in found
    assert all("bytes" in one for one in found)
