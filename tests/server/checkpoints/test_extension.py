"""A run goes on to more rounds, to the bytes of a run of that many from the beginning."""

import json
import shutil

import pytest

from experiments.reproducibility.verify import compare, verify
from experiments.resume import config_of, where_it_goes_on
from experiments.resume import resume as resume_run
from fedrec.errors import ConfigError
from fedrec.runs.checksums import check_files
from fedrec.runs.record import read_about, read_run

pytestmark = pytest.mark.usefixtures("undrawn")
HARD = {
    "model.private": "gate-bias",
    "model.dropout": 0.2,
    "federation.fraction": 0.7,
    "strategy.name": "server-adam",
    "run.keep-client-state": True,
}
STATELESS = {"local.optimizer-state": "reset"}
SELDOM = {"federation.evaluate-every": 2}


def extend(folder, rounds, **how):
    how = {"engine": "inline", "command": "test", **how}
    return resume_run(folder, rounds=rounds, **how)


def told(folder, rounds):
    from server.checkpoints.extension import with_rounds

    return where_it_goes_on(folder, with_rounds(config_of(folder, trust=False), rounds))


@pytest.fixture
def two_rounds(run_copy, small_config):
    """``two_rounds(changes)``: the folder of a complete run of two rounds, to be extended."""
    return lambda changes: run_copy(small_config(changes))


@pytest.mark.parametrize(
    "changes", [HARD, *(pytest.param(one, marks=pytest.mark.slow) for one in (STATELESS, SELDOM))]
)
def test_an_extended_run_is_a_run_of_that_many_rounds(two_rounds, run_once, small_config, changes):
    changes = changes | {"run.keep-client-state": True}
    folder = two_rounds(changes)
    extend(folder, 4)
    whole = run_once(small_config(changes | {"federation.rounds": 4}))
    assert compare(whole, folder) == []
    assert (folder / "config.toml").read_bytes() == (whole / "config.toml").read_bytes()
    about = read_about(folder)
    assert about["config_hash"] == read_about(whole)["config_hash"]
    assert about["extended"][0]["config_hash"] != about["config_hash"]
    assert about["client_state"] == "kept"
    check_files(folder, about, *about["files"])


def test_run_json_tells_from_how_many_rounds_it_was_extended(two_rounds):
    folder = two_rounds(STATELESS)
    extend(folder, 3)
    extend(folder, 4)
    about = read_about(folder)
    assert [(one["after"], one["from"], one["to"]) for one in about["extended"]] == [
        (2, 2, 3),
        (3, 3, 4),
    ]
    assert "extended from 2 to 3 rounds" in about["resumed"][0]["notes"]
    assert (about["status"], about["rounds"]) == ("done", 4)
    assert len(read_run(folder).history) == 5


def test_a_run_that_did_not_end_goes_on_to_another_number(
    run_inline, run_once, small_config, tmp_path
):
    config = small_config(STATELESS | {"federation.rounds": 6, "run.checkpoint-every": 1})

    def stop(line):
        if line["round"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_inline(config, tmp_path / "run", on_round=stop)
    extend(tmp_path / "run", 4)
    assert (
        compare(run_once(small_config(STATELESS | {"federation.rounds": 4})), tmp_path / "run")
        == []
    )


def test_optimizers_whose_state_is_deleted_start_afresh_and_that_repeats(two_rounds):
    folder = two_rounds({})
    [_, line] = told(folder, 4)
    assert "the clients deleted the state of their optimizers" in line
    assert "starts afresh in round 3" in line
    extend(folder, 4)
    about = read_about(folder)
    assert about["extended"][0]["fresh_optimizers"]
    assert line in about["resumed"][0]["notes"]
    assert verify(folder, engine=None, command="test") == []
    assert about["client_state"] == "deleted"


def test_a_last_evaluation_out_of_turn_is_told_and_repeats(two_rounds):
    folder = two_rounds(STATELESS | {"federation.evaluate-every": 3})
    [_, line] = told(folder, 4)
    assert "round 2 was evaluated as the last one, which a run of 4 rounds does not do" in line
    extend(folder, 4)
    assert [bool(one["validation"]) for one in read_run(folder).history] == [1, 0, 1, 1, 1]
    assert verify(folder, engine=None, command="test") == []


@pytest.mark.parametrize("changes", [{}, pytest.param(STATELESS, marks=pytest.mark.slow)])
def test_an_extension_that_is_killed_is_resumed_without_saying_more(two_rounds, tmp_path, changes):
    folder, killed = two_rounds(changes), tmp_path / "killed"

    def kill(line):
        if line["round"] == 3:  # what a kill would leave
            shutil.copytree(folder, killed, ignore=shutil.ignore_patterns(".lock"))

    extend(folder, 4, on_round=kill)
    about = read_about(killed)
    assert about["status"] == "running"
    assert "files" not in about  # checksums of the run of two rounds
    assert not (killed / "metrics.json").exists()
    resume_run(killed, engine="inline", command="test")
    assert compare(folder, killed) == []


def test_a_kill_between_run_json_and_config_toml_loses_nothing(two_rounds, tmp_path):
    folder, killed = two_rounds(STATELESS), tmp_path / "killed"
    before = (folder / "config.toml").read_bytes()

    def kill(line):
        if line["round"] == 3:
            shutil.copytree(folder, killed, ignore=shutil.ignore_patterns(".lock"))
            (killed / "config.toml").write_bytes(before)

    extend(folder, 4, on_round=kill)
    resume_run(killed, engine="inline", command="test")
    assert compare(folder, killed) == []
    assert (killed / "config.toml").read_bytes() == (folder / "config.toml").read_bytes()


@pytest.mark.parametrize(
    ("changes", "rounds", "words"),
    [
        (STATELESS, 2, "has done 2 rounds; --rounds 2 must be more than that"),
        (STATELESS, 0, "federation.rounds must be a whole number of 1 or more, got 0"),
        (STATELESS | {"run.checkpoint-every": 0}, 4, "wrote no checkpoints"),
        ({"model.private": "gate-bias"}, 4, "deleted their private parameters"),
        (STATELESS | {"local.schedule-rounds": 2}, 4, "local.schedule-rounds = 2: the learning"),
        (
            {
                **STATELESS,
                "strategy.name": "server-adam",
                "strategy.options": "schedule-rounds = 2",
            },
            4,
            "strategy.options: schedule-rounds = 2: the learning rate is 0 after that",
        ),
        (
            STATELESS
            | {"federation.patience": 1, "local.learning-rate": 1e-9, "federation.rounds": 9},
            12,
            "stopped early after round 1 (federation.patience = 1)",
        ),
    ],
)
def test_what_cannot_go_on_is_refused_and_left_as_it_is(two_rounds, changes, rounds, words):
    folder = two_rounds(changes)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for refuse in (lambda: told(folder, rounds), lambda: extend(folder, rounds)):
        with pytest.raises(ConfigError) as refused:
            refuse()
        assert words in str(refused.value)
        assert "\n" not in str(refused.value)
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_schedule_that_is_not_over_goes_on_and_is_told(two_rounds, run_once, small_config):
    changes = STATELESS | {"local.schedule-rounds": 5}
    folder = two_rounds(changes)
    [_, line] = told(folder, 3)
    assert line.startswith("local.schedule-rounds = 5 stays")
    extend(folder, 3)
    assert compare(run_once(small_config(changes | {"federation.rounds": 3})), folder) == []


def test_another_config_is_no_extension(two_rounds):
    folder = two_rounds(STATELESS)
    text = (folder / "config.toml").read_text()
    (folder / "config.toml").write_text(text.replace("dropout = 0.2", "dropout = 0.4"))
    with pytest.raises(ConfigError, match=r"config: model.dropout was 0.2, is 0.4"):
        extend(folder, 4)
    assert json.loads((folder / "run.json").read_text())["status"] == "done"
