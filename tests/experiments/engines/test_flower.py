"""The Flower engine of ``fedrec run``: a real service and Ray, nothing left of them after."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from experiments.engines.flower import write_app
from experiments.engines.flower_service import last_error
from fedrec.config.keys import flat_tables, flatten, read_config
from tests.listening import listening

ROOT = Path(__file__).parents[3]
SMALL = [
    "federation.rounds=2",
    "partition.count=3",
    "semantics.encoder=hashed",
    "semantics.width=8",
    "model.width=8",
    "model.hidden=8",
    "model.max-length=8",
    "loss.negatives=8",
    "evaluation.resamples=20",
    "data.source=synthetic:users=40,items=60",
]


def command(folder: Path, engine: str, *changes: str) -> list[str]:
    sets = [word for change in [*SMALL, *changes] for word in ("--set", change)]
    words = ["run", "--engine", engine, "--out", str(folder), *sets]
    return [sys.executable, "-m", "experiments.cli.main", *words]


def environment(home: Path, scratch: Path) -> dict[str, str]:
    return os.environ | {
        "FEDREC_HOME": str(home),
        "TMPDIR": str(scratch),
        "PYTHONPATH": str(ROOT),
        "TEST_MARK": str(home),
    }


def left_over(home: Path) -> dict[int, str]:
    """Live processes that carry this test's mark, with their command lines."""
    mark, found = f"TEST_MARK={home}".encode(), {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().decode()
        except OSError:
            continue
    return found


def test_the_app_folder_holds_our_packages_and_the_whole_config(tmp_path):
    config = read_config({"federation.rounds": 7, "strategy.options": 'a = "x\\n"', "seed": 3})
    write_app(tmp_path / "app", config, tmp_path / "run")
    app = tomllib.loads((tmp_path / "app" / "pyproject.toml").read_text())["tool"]["flwr"]["app"]
    assert flat_tables(app["config"]) == flatten(config) | {"run.dir": str(tmp_path / "run")}
    for name in ("fedrec/config/config.py", "clients/app.py", "server/app.py"):
        assert (tmp_path / "app" / name).read_bytes() == (ROOT / name).read_bytes()
    assert not list((tmp_path / "app").rglob("__pycache__"))


def test_the_app_names_the_components_that_pyproject_names(tmp_path):
    write_app(tmp_path / "app", read_config({}), tmp_path / "run")
    apps = [
        tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["flwr"]["app"]
        for folder in (tmp_path / "app", ROOT)
    ]
    assert apps[0]["components"] == apps[1]["components"]


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("a\nValueError: b\n  at c\n", "ValueError: b"),
        ("2026 INFO fine\n2026 ERROR bad\nbye", "2026 ERROR bad"),
        ("\x1b[91mERROR \x1b[0m:     Exit Code: 700\nmore\n", "ERROR :     Exit Code: 700"),
        ("one\ntwo\n\n", "two"),
        ("", "nothing in its log"),
    ],
)
def test_the_last_error_of_a_log_is_the_last_line_that_names_one(log, expected):
    assert last_error(log) == expected


@pytest.mark.slow
def test_flower_and_this_process_give_the_same_bytes_and_flower_leaves_nothing(tmp_path, scratch):
    home = tmp_path / "home"
    for engine in ("inline", "flower"):
        done = subprocess.run(
            command(tmp_path / engine, engine),
            cwd=tmp_path,
            env=environment(home, scratch),
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        assert "report:" in done.stdout
    for name in ("model.safetensors", "metrics.json", "users.csv"):
        inline, flower = ((tmp_path / e / name).read_bytes() for e in ("inline", "flower"))
        assert inline == flower
    assert json.loads((tmp_path / "flower" / "run.json").read_text())["engine"] == "flower"
    assert left_over(home) == {}
    assert [path.name for path in scratch.glob("fedrec-*")] == []


@pytest.mark.slow
def test_a_run_that_fails_in_the_service_exits_with_the_reason(tmp_path, scratch):
    done = subprocess.run(
        command(tmp_path / "run", "flower", "strategy.name=fedprox", "strategy.options=mu = 1"),
        cwd=tmp_path,
        env=environment(tmp_path / "home", scratch),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "strategy.options" in done.stderr
    assert "Traceback" not in done.stderr
    assert left_over(tmp_path / "home") == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_signal_ends_the_run_and_every_process_of_it(tmp_path, scratch, number, code):
    process = subprocess.Popen(
        command(tmp_path / "run", "flower", "federation.rounds=100000"),
        cwd=tmp_path,
        env=environment(tmp_path / "home", scratch),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    rounds = tmp_path / "run" / "rounds.jsonl"
    deadline = time.monotonic() + 150
    while not rounds.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    assert rounds.exists(), process.kill()
    assert (ports := listening(left_over(tmp_path / "home")))
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    deadline = time.monotonic() + 30
    while (left := left_over(tmp_path / "home")) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert left == {}
    if code > 0:
        about = json.loads((tmp_path / "run" / "run.json").read_text())
        assert (about["status"], about["exit_code"]) == ("interrupted", code)
