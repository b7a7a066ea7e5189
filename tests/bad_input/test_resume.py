"""Resuming with another config, other data or code, a complete run, or no run at all."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import server.checkpoints.resume
import server.lifecycle.run_folder
import server.run
from fedrec import protocol

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.usefixtures("undrawn")


def content_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_another_config_is_refused_with_every_difference(fedrec, refused, stopped):
    change(stopped / "config.toml", "epochs = 1", "epochs = 3")
    change(stopped / "config.toml", "dropout = 0.2", "dropout = 0.4")
    before = content_of(stopped)
    refused(
        fedrec("resume", stopped),
        2,
        f"{stopped} holds another run",
        "config: local.epochs was 1, is 3",
        "config: model.dropout was 0.2, is 0.4",
    )
    assert content_of(stopped) == before


def test_run_with_resume_compares_what_was_typed(run, refused, stopped, stoppable, csv, events):
    again = (*stoppable, "run.resume=true")
    before = content_of(stopped)
    ended = run(csv(events), *again, "seed=5", "local.learning-rate=0.5")
    refused(ended, 2, "config: seed was 0, is 5", "config: local.learning-rate was 0.002, is 0.5")
    assert content_of(stopped) == before


def test_of_many_differences_the_first_are_shown_and_the_rest_counted(
    run, refused, stopped, stoppable, csv, events
):
    keys = ("width=4", "hidden=4", "blocks=2", "max-length=4", "dropout=0", "identity-dropout=0")
    sets = (*(f"model.{key}" for key in keys), "seed=5", "local.epochs=2", "local.batch-size=4")
    ended = run(csv(events), *stoppable, "run.resume=true", *sets)
    refused(ended, 2, "config: local.batch-size was 8, is 4", "; and 1 more")


def test_a_run_goes_on_whatever_it_is_called_and_wherever_it_lies(fedrec, whole, stopped, tmp_path):
    moved = Path(shutil.move(stopped, stopped.with_name("moved")))
    ended = fedrec("resume", moved)
    assert ended.code == 0, ended.errors
    whole(moved)


def test_another_round_timeout_is_no_other_run(fedrec, whole, stopped):
    change(stopped / "config.toml", "round-timeout = 3600.0", "round-timeout = 900.0")
    ended = fedrec("resume", stopped)
    assert ended.code == 0, ended.errors
    assert "round-timeout = 900.0" in (stopped / "config.toml").read_text()
    whole(stopped)


def test_other_data_are_refused_and_the_right_ones_go_on(fedrec, stopped, whole, csv, events):
    csv([*events[:-1], events[-1].replace("i", "i0", 1)])
    ended = fedrec("resume", stopped)
    assert ended.code == 4, ended.errors
    assert ended.errors.count("\n") == 1
    assert f"{stopped} holds a run on other data: data: events was '" in ended.errors
    csv(events)
    ended = fedrec("resume", stopped)
    assert ended.code == 0, ended.errors
    whole(stopped)


@pytest.fixture
def other_code(monkeypatch):
    """One file of another content, one more and one less than when the run began."""
    files = dict(protocol.code_files())
    files["server/rounds.py"] = "0" * 64
    files["server/new.py"] = "1" * 64
    del files["clients/private_state.py"]
    monkeypatch.setattr(protocol, "code_files", lambda: files)
    return (
        "code: server/rounds.py changed",
        "code: server/new.py was added",
        "code: clients/private_state.py was removed",
    )


def test_other_code_is_refused_with_every_file(fedrec, refused, stopped, other_code):
    refused(fedrec("resume", stopped), 2, *other_code, "--accept-code-change goes on all the same")


def test_other_code_goes_on_when_told_to_and_that_is_recorded(fedrec, stopped, whole, other_code):
    ended = fedrec("resume", stopped, "--accept-code-change")
    assert ended.code == 0, ended.errors
    [resumed] = json.loads((stopped / "run.json").read_text())["resumed"]
    assert resumed["after"] == 3
    assert set(other_code) <= set(resumed["notes"])
    log = (stopped / "log.txt").read_text()
    assert all(line in log for line in other_code)
    whole(stopped)


def test_other_versions_are_refused(fedrec, refused, stopped, monkeypatch):
    own = server.checkpoints.resume.versions()
    monkeypatch.setattr(server.checkpoints.resume, "versions", lambda: own | {"torch": "9.9"})
    refused(fedrec("resume", stopped), 2, f"versions: torch was '{own['torch']}', is '9.9'")


def test_a_change_of_the_config_is_never_accepted_with_the_code(
    fedrec, refused, stopped, other_code
):
    change(stopped / "config.toml", "epochs = 1", "epochs = 3")
    ended = fedrec("resume", stopped, "--accept-code-change")
    refused(ended, 2, "config: local.epochs was 1, is 3", *other_code)
    assert "goes on all the same" not in ended.errors


@pytest.mark.slow
def test_a_checkout_that_was_edited_since_is_refused_and_may_be_accepted(stopped, small, tmp_path):
    for package in (*protocol.PACKAGES, "experiments"):
        shutil.copytree(ROOT / package, tmp_path / "checkout" / package)
    with (tmp_path / "checkout" / "server" / "rounds.py").open("a") as file:
        file.write("# a line more\n")

    def resume(*words):
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "experiments.cli.main",
                "resume",
                "--quiet",
                str(stopped),
                *words,
            ],
            cwd=tmp_path / "checkout",
            env=os.environ | {"PYTHONPATH": str(tmp_path / "checkout")},
            capture_output=True,
            text=True,
            check=False,
        )

    refused = resume()
    assert refused.returncode == 2, refused.stderr
    assert "holds another run: code: server/rounds.py changed (--accept-code" in refused.stderr
    accepted = resume("--accept-code-change")
    assert accepted.returncode == 0, accepted.stderr
    [resumed] = json.loads((stopped / "run.json").read_text())["resumed"]
    assert resumed["notes"] == ["code: server/rounds.py changed"]


def test_a_run_that_is_done_is_left_as_it_is(fedrec, run, stoppable, csv, events, fedrec_home):
    assert run(csv(events), *stoppable).code == 0
    folder = fedrec_home / "runs" / "small"
    (folder / "report.html").write_text("drawn")
    before = content_of(folder)
    for given in (folder, "small"):
        ended = fedrec("resume", given)
        assert (ended.code, ended.errors) == (0, "")
        assert "the run is done already: nothing to go on with" in ended.shown
        assert "going on after" not in ended.shown
    assert content_of(folder) == before


def test_the_command_goes_on_to_more_rounds_and_says_what_differs(fedrec, stopped, refused):
    ended = fedrec("resume", stopped, "--rounds", 5)
    assert ended.code == 0, ended.errors
    assert "the newest good checkpoint is that of round 3" in ended.shown
    assert "rounds = 5" in (stopped / "config.toml").read_text()
    refused(fedrec("resume", stopped, "--rounds", 5), 2, "has done 5 rounds; --rounds 5 must be")
    refused(fedrec("resume", stopped, "--rounds", 6), 2, "deleted their private parameters")
