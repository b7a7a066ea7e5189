"""Ctrl-C at every stage of a run, in this process: a checkpoint, exit code 130, the same bytes."""

import json

import pytest

import clients.handlers
import server.checkpoints.recorder
import server.checkpoints.resume
import server.evaluation.final
import server.evaluation.results
import server.run
from experiments.reproducibility.verify import compare
from fedrec.config.keys import read_config
from fedrec.errors import ConfigError
from server.checkpoints.folder import load_checkpoint

# Which call of what: 3 clients train in each of 4 rounds, 6 are evaluated in each evaluation, after
# two references of two stages each; the last one is of test items alone.
STAGES = {
    "the registration": (clients.handlers, "open_local_data", 2),
    "a reference": (clients.handlers, "evaluate", 3),
    "the evaluation of round 0": (clients.handlers, "evaluate", 26),
    "round 1": (clients.handlers, "train_partition", 2),
    "round 3": (clients.handlers, "train_partition", 8),
    "the first checkpoint": (server.checkpoints.recorder, "save_checkpoint", 1),
    "a checkpoint": (server.checkpoints.recorder, "save_checkpoint", 2),
    "the final evaluation": (server.evaluation.final, "evaluate", 5),
    "the tables": (server.evaluation.results, "_write_tables", 1),
}
# Where nothing is left behind that another stage does not leave, too.
LIKE_OTHERS = (
    "a reference", "the evaluation of round 0", "round 1", "the first checkpoint", "a checkpoint",
    "round 3",
)  # fmt: skip


@pytest.mark.parametrize(
    "stage",
    [pytest.param(stage, marks=[pytest.mark.slow] * (stage in LIKE_OTHERS)) for stage in STAGES],
)
def test_a_run_stopped_at_any_stage_goes_on_to_the_same_bytes(
    run_inline, run_once, not_easy, tmp_path, strike, ctrl_c, about, stage
):
    config = not_easy({"run.checkpoint-every": 2})
    whole = run_once(config)
    folder = tmp_path / "run"
    strike(*STAGES[stage], ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        run_inline(config, folder)
    ended = about(folder)
    assert (ended["status"], ended["exit_code"]) == ("interrupted", 130)
    assert not (folder / ".lock").exists()
    run_inline(read_config({"run.resume": True}, config), folder)
    assert compare(whole, folder) == []
    assert about(folder)["status"] == "done"


def test_a_stop_leaves_a_checkpoint_of_the_last_round_though_none_was_due(
    run_inline, run_once, not_easy, tmp_path, strike, ctrl_c, about
):
    config, folder = not_easy({"run.checkpoint-every": 100}), tmp_path / "run"
    strike(clients.handlers, "train_partition", 8, ctrl_c)  # of the third round
    with pytest.raises(KeyboardInterrupt):
        run_inline(config, folder)
    assert load_checkpoint(folder)[0].round == 2
    run_inline(read_config({"run.resume": True}, config), folder)
    assert [one["after"] for one in about(folder)["resumed"]] == [2]
    assert compare(run_once(config), folder) == []


def test_a_signal_while_a_checkpoint_is_written_waits_until_all_of_it_is_there(
    run_inline, not_easy, tmp_path, strike, ctrl_c, left_by
):
    config, folder = not_easy({"run.checkpoint-every": 1}), tmp_path / "run"
    strike(
        server.checkpoints.recorder, "save_checkpoint", 3, ctrl_c
    )  # of round 2, after those of 0 and 1
    with pytest.raises(KeyboardInterrupt):
        run_inline(config, folder)
    assert load_checkpoint(folder)[0].round == 2
    assert [line["round"] for line in left_by(folder)[1]] == [0, 1, 2]


def test_a_file_that_was_being_written_when_its_process_was_killed_leaves_nothing(
    run_inline, not_easy, tmp_path, strike, ctrl_c
):
    config, folder = not_easy({"run.checkpoint-every": 1}), tmp_path / "run"
    strike(server.checkpoints.recorder, "save_checkpoint", 3, ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        run_inline(config, folder)
    for name in (".model.safetensors.4711.tmp", ".run.json.4711.tmp"):  # drafts of `write_file`
        (folder / name).write_bytes(b"half")
    (folder / "checkpoints" / ".round-00003.draft").mkdir()
    run_inline(read_config({"run.resume": True}, config), folder)
    assert not list(folder.rglob(".*"))


def test_a_run_may_be_stopped_again_and_again(
    run_inline, run_once, not_easy, tmp_path, monkeypatch, ctrl_c, about
):
    config, folder = not_easy({"run.checkpoint-every": 1}), tmp_path / "run"
    going_on, stops = read_config({"run.resume": True}, config), 0

    def stop(line):
        if line["round"] > stops:
            ctrl_c()

    while True:
        try:
            run_inline(going_on if stops else config, folder, on_round=stop)
        except KeyboardInterrupt:
            stops += 1
        else:
            break
    assert stops == 4
    assert [one["after"] for one in about(folder)["resumed"]] == [1, 2, 3, 4]
    assert compare(run_once(config), folder) == []


def test_a_second_run_in_the_same_folder_is_refused_and_the_first_unharmed(
    run_inline, not_easy, tmp_path, left_by
):
    config, folder, refusals = not_easy(), tmp_path / "run", []

    def start_another(line):
        for changes in ({}, {"run.overwrite": True}, {"run.resume": True}):
            with pytest.raises(
                ConfigError, match=r"is in use by another run \(process \d+\)"
            ) as end:
                run_inline(read_config(changes, config), folder)
            refusals.append(end.value.exit_code)

    run_inline(config, folder, on_round=start_another)
    assert refusals == [2] * 15
    assert left_by(folder) == left_by(run_inline(config, tmp_path / "alone"))


def test_the_report_that_a_killed_process_did_not_draw_is_drawn_by_a_resume(
    run_inline, not_easy, tmp_path, monkeypatch, strike, ctrl_c, about
):
    config, folder = not_easy(), tmp_path / "run"
    strike(server.run, "write_report", 1, ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        run_inline(config, folder)
    assert about(folder)["status"] == "done"
    drawn = []
    monkeypatch.setattr(server.checkpoints.resume, "write_report", drawn.append)
    run_inline(read_config({"run.resume": True}, config), folder)
    assert drawn == [folder]
    other = read_config({"run.resume": True, "seed": 8}, config)
    with pytest.raises(ConfigError, match="holds a run with another config that is done"):
        run_inline(other, folder)
    assert "resumed" not in json.dumps(about(folder)["reason"])
