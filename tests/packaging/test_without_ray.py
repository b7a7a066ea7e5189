"""Where Ray cannot be installed, engine "inline" and all that is no engine work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.experiments.small_runs import SMALL

ROOT = Path(__file__).parents[2]
CODE = f"""
import sys
sys.modules["ray"] = None  # as if it were not installed: importing it fails
import fedrec
from experiments.cli.main import app
from fedrec.errors import ResourceError
run = fedrec.simulate({SMALL!r}, out="run")
assert run.status == "done", run
assert len(run.rounds) == 2
try:
    fedrec.simulate({SMALL!r}, engine="ray", out="other")
except ResourceError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_run_in_one_process_needs_no_ray(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "FEDREC_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "ray" in ran.stdout
    assert "inline" in ran.stdout


def test_nothing_but_its_engine_imports_ray():
    found = [
        path.relative_to(ROOT).as_posix()
        for package in ("fedrec", "clients", "server", "experiments")
        for path in (ROOT / package).rglob("*.py")
        if any(
            line.startswith(("import ray", "from ray"))
            for line in path.read_text(encoding="utf-8").splitlines()
        )
    ]
    assert sorted(found) == [
        "server/engines/ray_grid.py",
        "server/engines/ray_pool.py",
        "server/engines/ray_worker.py",
    ]
