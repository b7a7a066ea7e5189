"""`fedrec sweep`: mistakes are a line each, a killed sweep goes on, the end is a comparison."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fedrec as package
from fedrec.runs.record import read_json
from tests.experiments.cli.conftest import refused
from tests.experiments.small_runs import TINY

ROOT = Path(__file__).parents[3]


def test_mistakes_are_a_line_each_and_nothing_is_made(fedrec, tmp_path):
    out = tmp_path / "out"
    result = fedrec(
        "sweep", "synthetic", "--grid", "model.widht=8", "--grid", "local.epochs=0,1", "--out", out
    )
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "error: unknown key 'model.widht'; did you mean 'model.width'?",
        "error: local.epochs must be a whole number of 1 or more, got 0 (in model.widht=8, "
        "local.epochs=0)",
    ]
    assert not out.exists()
    refused(fedrec("sweep", "strategis"), 2, "did you mean 'strategies'")


def test_a_dry_run_lists_the_runs_and_makes_none(fedrec, tmp_path):
    sets = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    result = fedrec(
        "sweep", "synthetic", "--grid", "strategy.name=fedavg,fedprox", *sets, "--seeds", 2,
        "--dry-run", "--out", tmp_path / "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"strategy-{name}-seed{seed}  to be run  strategy.name={name}"
        for seed in (0, 1)
        for name in ("fedavg", "fedprox")
    ]
    assert "strategy.options of fedprox is 'proximal-mu = 0.01'" in result.stderr
    assert not (tmp_path / "out").exists()


def test_from_python_it_is_a_function(small_home, undrawn, plain_page, tmp_path):
    ended = []
    found = package.sweep(
        "synthetic",
        {"strategy.name": ["fedavg", "fedadam"]},
        changes=TINY | {"federation.rounds": 1, "partition.count": 2},
        jobs=1,
        out=tmp_path / "out",
        on_end=lambda folder, why: ended.append((folder.name, why)),
    )
    assert ended == [("strategy-fedavg-seed0", ""), ("strategy-fedadam-seed0", "")]
    assert repr(found) == "<Sweep out: 2 complete runs>"
    assert [group.label for group in found.comparison.groups] == [
        "strategy.name=fedavg",
        "strategy.name=fedadam",
    ]
    assert list(found.comparison.table["metric"]) == ["NDCG@10"] * 2
    assert (tmp_path / "out" / "compare.html").exists()


@pytest.mark.slow
def test_killed_on_ray_and_called_again_it_makes_nothing_again_and_ends_in_a_statement(
    tmp_path, scratch
):
    sets = TINY | {"federation.rounds": 10, "federation.share-counts-min-users": 1}
    words = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "experiments.cli", "sweep", "synthetic", "--jobs", "2"]
    command += ["--grid", "strategy.name=fedavg,fedprox,fedadam", "--seeds", "2", *words]
    out = tmp_path / "out"
    values = {"FEDREC_HOME": str(tmp_path / "home"), "TMPDIR": str(scratch)}
    values |= {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, "--out", str(out)],
            cwd=tmp_path,
            env=os.environ | values,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def status() -> dict[str, str]:
        found = out.glob("*-seed*/run.json")
        return {path.parent.name: read_json(path)["status"] for path in found}

    process = start()
    deadline = time.monotonic() + 900
    while "done" not in status().values():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=120)
    deadline = time.monotonic() + 30
    while list(scratch.glob("fedrec-*")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    done = [name for name, one in status().items() if one == "done"]
    assert 1 <= len(done) < 6
    before = {name: (out / name / "run.json").stat().st_mtime_ns for name in done}
    process = start()
    screen, errors = process.communicate(timeout=1200)
    assert process.returncode == 0, errors
    assert list(status().values()) == ["done"] * 6
    assert {name: (out / name / "run.json").stat().st_mtime_ns for name in done} == before
    assert f"is complete, {6 - len(done) - 1} left" in screen.splitlines()[0]
    assert "strategy.name=fedadam" in screen
    assert "Holm p" in screen
    assert screen.splitlines()[-1] == f"page: {out / 'compare.html'}"
