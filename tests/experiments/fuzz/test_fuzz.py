"""The config fuzz: what it draws, how it judges, and a seeded sample of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.fuzz.config_cases import KINDS, PLAUSIBLE, TINY, Case, draw_cases
from experiments.fuzz.configs import judge, table
from experiments.fuzz.forked import Ended
from fedrec.config.config import Config
from fedrec.config.keys import flatten, read_config
from fedrec.runs.write import write_about

ROOT = Path(__file__).parent.parent.parent.parent


def ended(code, err=""):
    return Ended(code, "", err, 0.1, 100)


def test_the_same_seed_draws_the_same_cases():
    cases = draw_cases(400, 3)
    assert [one.title() for one in cases] == [one.title() for one in draw_cases(400, 3)]
    assert [one.title() for one in cases] != [one.title() for one in draw_cases(400, 4)]
    assert [sum(one.kind == kind for one in cases) for kind in KINDS] == [200, 40, 160]
    odd = [next(iter(one.changes)) for one in cases if one.kind == KINDS[0]]
    keys = list(flatten(Config()))
    assert set(odd) == set(keys)
    assert max(map(odd.count, keys)) - min(map(odd.count, keys)) <= 1


def test_plausible_settings_are_settings():
    flat = flatten(read_config(TINY))
    assert PLAUSIBLE.keys() <= flat.keys()
    for key, values in PLAUSIBLE.items():
        assert {type(value) for value in values} == {type(flat[key])}, key


@pytest.mark.parametrize(
    ("end", "outcome", "words"),
    [
        (ended(2, "error: model.width must be 1 or more, got 0\n"), "refused", "model.width"),
        (ended(3, "error: round 1: 0 of 2\n"), "ended in a line", "exit code 3"),
        (ended(70, "error: KeyError: 1; this is a bug\n"), "FAILED", "exit code 70"),
        (ended(2, "Traceback (most recent call last):\n"), "FAILED", "a traceback"),
        (ended(2, "no\n"), "FAILED", "without a line"),
        (ended(-9), "FAILED", "killed by signal 9"),
        (ended(2, f"error: {'x' * 3000}\n"), "FAILED", "a line of 3007 characters"),
        (Ended(-9, "", "", 31.0, 100, is_late=True), "FAILED", "not over after 31 s"),
        (ended(0), "FAILED", "its folder cannot be read"),
    ],
)
def test_an_end_is_judged(tmp_path, end, outcome, words):
    found = judge(Case(KINDS[0], "set", {"model.width": 0}), tmp_path, end)
    assert found[0] == outcome
    assert words in found[1]


def test_a_folder_that_is_left_is_no_refusal(tmp_path):
    (tmp_path / "run").mkdir()
    found = judge(Case(KINDS[0], "set", {}), tmp_path, ended(2, "error: no\n"))
    assert found == ("ended in a line", "exit code 2, in its folder: error: no")


def test_a_run_with_other_values_or_impossible_figures_has_failed(tmp_path, run_copy, small_config):
    folder = run_copy(small_config({"federation.rounds": 1})).rename(tmp_path / "run")
    asked = {"model.width": 8} | {
        key: value for key, value in flatten(small_config()).items() if key in TINY
    }
    case = Case(KINDS[2], "python", asked | {"federation.rounds": 1})
    assert judge(case, tmp_path, ended(0)) == ("ran", "")
    other = Case(KINDS[2], "python", case.changes | {"model.width": 9})
    assert "config.toml has 8" in judge(other, tmp_path, ended(0))[1]
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["test"]["HR@10"]["value"] = 1.5
    (folder / "metrics.json").write_text(json.dumps(metrics))
    about = json.loads((folder / "run.json").read_text())
    del about["files"]
    write_about(folder / "run.json", about)
    assert "HR@10.value is 1.5" in judge(case, tmp_path, ended(0))[1]


def test_the_table_counts_outcomes_by_kind():
    ends = [
        (Case(KINDS[0], "set", {}), "refused"),
        (Case(KINDS[0], "set", {}), "FAILED"),
        (Case(KINDS[2], "set", {}), "ran"),
    ]
    assert table(ends).splitlines()[2:] == [
        "| a key with an odd value | 2 | 0 | 1 | 0 | 1 |",
        "| a key that is none | 0 | 0 | 0 | 0 | 0 |",
        "| plausible settings together | 1 | 1 | 0 | 0 | 0 |",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("configs", "--cases", "60", "--seed", "11"),
    ],
    ids=["config"],
)
def test_a_seeded_sample_ends_as_it_must(words):
    done = subprocess.run(
        [sys.executable, "-m", f"experiments.fuzz.{words[0]}", *words[1:]],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any(line.startswith("FAILED") for line in done.stdout.splitlines())
