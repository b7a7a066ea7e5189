"""What is shown while the runs of a study go on."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from experiments.sweep import progress as shown
from experiments.sweep.planned import FEDERATED, PlannedRun
from fedrec.config.keys import read_config


@pytest.fixture
def planned_runs(tmp_path):
    config = read_config({})
    return [PlannedRun(Path(tmp_path / name), FEDERATED, config, "", 20) for name in ("one", "two")]


def console(**kind):
    return Console(file=io.StringIO(), width=80, **kind)


def test_elsewhere_each_run_is_a_line_and_a_failure_says_why(planned_runs):
    to = console()
    with shown.progress(planned_runs, 3, to) as on_end:
        on_end(planned_runs[0], "")
        on_end(planned_runs[1], "no client answered")
    assert to.file.getvalue().splitlines() == [
        "one is complete, 1 left",
        "two failed: no client answered",
    ]


def test_a_terminal_shows_where_each_run_is_with_its_best_validation_so_far(planned_runs):
    folder = planned_runs[0].folder
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"status": "running"}))
    lines = [{"round": n, "validation": {"NDCG@10": v}} for n, v in enumerate([0.1, 0.3, 0.2])]
    lines.append({"round": 3, "validation": None})
    (folder / "rounds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    to = console(force_terminal=True)
    with shown.progress(planned_runs, 3, to) as on_end:
        on_end(planned_runs[1], "")
    screen = " ".join(to.file.getvalue().split())
    assert "one 3 20 0.3000" in screen
    assert "4 of 5 runs are complete" in screen
    assert " left" in screen
