"""A baseline in one place takes the threads it is told, and goes on with as many."""

import dataclasses

import pytest
from typer.testing import CliRunner

from experiments.baselines.run import _threads_before, run_baseline
from experiments.cli.main import app
from fedrec.config.keys import to_toml
from fedrec.runs.record import read_about
from server.checkpoints.folder import load_checkpoint


@pytest.mark.slow
def test_a_resumed_baseline_has_the_threads_of_before(
    small_home, small_config, tmp_path, undrawn, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    config = small_config({"federation.rounds": 1, "run.checkpoint-every": 1})
    folder = run_baseline("centralised", config, tmp_path / "run", lambda line: None, threads=1)
    assert read_about(folder)["command"].endswith("config.toml --threads 1")
    going_on = dataclasses.replace(config, run=dataclasses.replace(config.run, resume=True))
    assert _threads_before(going_on, folder) == 1
    assert _threads_before(config, folder) is None
    assert _threads_before(going_on, tmp_path / "new") is None


def test_no_thread_is_refused():
    told = CliRunner().invoke(app, ["baseline", "popularity", "synthetic", "--threads", "0"])
    assert (told.exit_code, "--threads" in told.output) == (2, True)


@pytest.mark.slow
def test_threads_are_those_of_the_environment_where_nobody_says(
    small_home, small_config, tmp_path, undrawn, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    path, out = tmp_path / "own.toml", tmp_path / "out"
    path.write_text(to_toml(small_config({"federation.rounds": 1, "run.checkpoint-every": 1})))
    told = CliRunner().invoke(app, ["baseline", "centralised", str(path), "--out", str(out)])
    assert told.exit_code == 0, told.output
    checkpoint, _ = load_checkpoint(out)
    assert checkpoint.about["machine"]["threads of a client"] == 1
