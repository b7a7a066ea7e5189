"""fedrec clean: says first, removes only with --yes, and leaves what is needed."""

import pytest

from experiments.housekeeping import clean
from fedrec.runs.directory import locked
from tests.experiments.cli.conftest import refused


@pytest.fixture
def home(tmp_path, make_run, fedrec):
    """Caches, a log, downloads, signals, a run that is done and one that is not."""
    home = tmp_path / "home"
    folders = ("prepared/x", "semantics/x", "native", "logs", "downloads", "signals/x", "clients/x")
    for name in folders:
        (home / name).mkdir(parents=True)
        (home / name / "file").write_bytes(b"x" * 100)
    make_run("home/runs/done", rounds=1, users=40)
    about = {"status": "interrupted"}
    make_run("home/runs/other", rounds=1, users=40, finished=False, about=about)
    for run in ("done", "other"):
        (home / "runs" / run / "checkpoints").mkdir()
        (home / "runs" / run / "checkpoints" / "round-1").write_bytes(b"x" * 1000)
    return home


def test_nothing_is_removed_before_it_is_said(fedrec, home):
    result = fedrec("clean")
    assert "1.4 kB would be removed" in result.stdout
    assert (home / "prepared" / "x" / "file").exists()
    assert (home / "runs" / "done" / "checkpoints").exists()


def test_caches_logs_and_checkpoints_of_done_runs_go_and_nothing_else(fedrec, home):
    assert "removed 1.4 kB" in fedrec("clean", "--yes").stdout
    left = {one.name for one in home.iterdir()}
    assert left == {"runs", "downloads", "signals", "clients"}
    assert not (home / "runs" / "done" / "checkpoints").exists()
    assert (home / "runs" / "done" / "metrics.json").exists()
    assert (home / "runs" / "other" / "checkpoints" / "round-1").exists()
    assert fedrec("clean", "--yes").stdout == "nothing to remove\n"


def test_one_kind_alone(fedrec, home):
    assert "removed 100 B" in fedrec("clean", "--only", "downloads", "--yes").stdout
    assert (home / "prepared").exists()
    assert not (home / "downloads").exists()
    refused(fedrec("clean", "--only", "cache"), 2, "--only must be one of caches", "mean 'caches'")


def test_what_is_in_use_stays(fedrec, home, monkeypatch):
    monkeypatch.setattr(clean, "users_of", lambda folder: [4711])
    with locked(home / "runs" / "done"):
        result = fedrec("clean", "--yes")
    assert "(stays: in use by process 4711)" in " ".join(result.stdout.split())
    assert (home / "prepared" / "x" / "file").exists()
    assert (home / "runs" / "done" / "checkpoints").exists()
    assert not (home / "logs").exists()
