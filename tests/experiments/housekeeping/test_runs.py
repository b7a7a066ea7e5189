"""fedrec ls and open."""

import json
import webbrowser

import pytest

from tests.experiments.cli.conftest import refused


@pytest.fixture
def runs(tmp_path, make_run):
    """A run that is done, one that goes on or was killed, a damaged one, and none."""
    done = {"started": "2026-11-21T02:00:00+00:00", "command": "fedrec run ml-1m --seed 7"}
    make_run("home/runs/done", rounds=4, users=40, about=done)
    killed = {"status": "running", "started": "2026-11-22T02:00:00+00:00", "best_round": None}
    make_run("home/runs/study/killed", rounds=2, users=40, finished=False, about=killed)
    (make_run("home/runs/damaged", rounds=0, users=4) / "run.json").write_text("{")
    (tmp_path / "home" / "runs" / "none").mkdir()
    return tmp_path / "home" / "runs"


def test_runs_are_listed_the_newest_first(fedrec, runs):
    listed = json.loads(fedrec("ls", "--json").stdout)
    assert [(one["folder"], one["state"]) for one in listed] == [
        (str(runs / "study" / "killed"), "killed"),
        (str(runs / "done"), "done"),
        (str(runs / "damaged"), "damaged"),
    ]
    killed, done, _ = listed
    assert (done["preset"], done["rounds"], done["ndcg"]) == ("ml-1m", "4/-", "0.1462")
    assert done["started"] == "2026-11-21 02:00"
    assert done["size"] == sum(f.stat().st_size for f in (runs / "done").rglob("*") if f.is_file())
    assert killed["rounds"] == "2/-"
    assert killed["ndcg"].startswith("(0.")  # of the validation


def test_the_table_tells_the_same(fedrec, runs):
    shown = fedrec("ls", runs).stdout
    assert "study/killed" in shown
    assert "in parentheses: validation" in shown


def test_a_run_that_a_process_holds_is_running(fedrec, runs):
    from fedrec.runs.directory import locked

    with locked(runs / "study" / "killed"):
        assert json.loads(fedrec("ls", runs / "study", "--json").stdout)[0]["state"] == "running"


def test_where_there_are_no_runs_that_is_said(fedrec, tmp_path):
    assert "no run in" in fedrec("ls").stdout
    refused(fedrec("ls", tmp_path / "nothing"), 4, "is no folder")


@pytest.mark.parametrize("screen", [True, False])
def test_a_report_is_opened_where_there_is_a_browser(fedrec, runs, monkeypatch, screen):
    (runs / "done" / "report.html").write_text("page")
    asked = []
    monkeypatch.setattr(webbrowser, "open", lambda address: asked.append(address) or True)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    if screen:
        monkeypatch.setenv("DISPLAY", ":0")
    page = runs / "done" / "report.html"
    result = fedrec("open", "done")
    assert result.stdout == f"report: {page}\n"
    assert asked == ([page.as_uri()] if screen else [])
    assert ("no browser here" in result.stderr) != screen


def test_what_is_no_run_is_not_opened(fedrec, tmp_path):
    refused(fedrec("open", "nothing"), 4, "run.json is missing")
