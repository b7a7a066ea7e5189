"""Which runs of an ablation or a baseline are compared with those of the undisturbed one."""

import shutil

import pytest

from experiments.chaos import studies
from experiments.chaos.studies import ABLATIONS, BASELINES, SWEEPS, kill_study
from experiments.chaos.tries import Tries
from fedrec.runs.write import write_json
from tests.experiments.chaos.test_kills import Pretended


@pytest.fixture
def two_runs(run_once, small_config, tmp_path):
    """Two folders of an ablation, each with two runs."""
    run = run_once(small_config())
    for place in ("whole", "other"):
        for name in ("preset-seed0", "start-random-seed0"):
            shutil.copytree(run, tmp_path / place / name)
    return tmp_path / "whole", tmp_path / "other"


@pytest.mark.parametrize("study", ABLATIONS, ids=lambda study: study.name)
def test_every_run_of_an_ablation_is_compared(study, two_runs):
    whole, other = two_runs
    assert study.differences(whole, other) == []
    (other / "start-random-seed0" / "users.csv").write_text("user\n")
    assert study.differences(whole, other) == ["start-random-seed0: users.csv: other bytes"]
    (other / "start-random-seed0" / "users.csv").unlink()
    assert "users.csv" in study.differences(whole, other)[0]
    shutil.rmtree(other / "start-random-seed0")
    assert study.differences(whole, other) == ["2 runs, then 1"]


def test_what_goes_on_is_the_command_that_does(tmp_path):
    assert [study.go_on(tmp_path) == study.begin(tmp_path) for study in (*ABLATIONS, *SWEEPS)] == [
        True
    ] * 4
    centralised, alone = BASELINES
    assert centralised.go_on(tmp_path) == ["resume", "--quiet", str(tmp_path)]
    assert alone.go_on(tmp_path) == [*alone.begin(tmp_path), "--overwrite"]


def test_a_study_is_killed_once_and_goes_on(tmp_path, monkeypatch):
    killed, words = [], []

    class Command(Pretended):
        def goes_on(self):
            return True

        def kill(self):
            killed.append(self.workdir)
            write_json(self.workdir / "made" / "run.json", {"status": "running"})

    def go_on(told, workdir, home):
        words.append(told)
        return 0, "report: /tmp/report.html"

    study = BASELINES[0]
    tries = Tries(tmp_path, 7, {study.name: 0.0})
    (tmp_path / "fault-free-a-centralised-baseline-killed" / "made").mkdir(parents=True)
    monkeypatch.setattr(studies, "Running", Command)
    monkeypatch.setattr(studies, "run_to_end", go_on)
    monkeypatch.setattr(studies, "compare", lambda whole, folder: ["ranks.npz: other ranks"])
    folder = tmp_path / "a-centralised-baseline-killed-03" / "0" / "made"
    folder.mkdir(parents=True)
    outcome = kill_study(tries, study, 3)
    assert killed == [folder.parent]
    assert words == [["resume", "--quiet", str(folder)]]
    assert (outcome.is_good, outcome.when) == (False, "0 runs done, 1 running")
    assert outcome.words == "gone on with: exit code 0, made: ranks.npz: other ranks"
