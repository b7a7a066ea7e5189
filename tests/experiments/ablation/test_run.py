"""`fedrec ablate`: equal tasks are one run, a failing one stops nobody, a second call goes on."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from experiments.ablation import grid
from experiments.ablation.grid import chosen_groups, placed_grid
from experiments.ablation.run import ablate
from experiments.engines.run import ignore
from experiments.sweep.planned import FEDERATED
from fedrec.config.keys import read_config
from fedrec.errors import ConfigError, DataError
from fedrec.evaluation.metrics import ndcg
from fedrec.report.ablation.summary import found
from fedrec.runs.record import read_json
from fedrec.runs.write import write_about
from tests.experiments.small_runs import TINY

ROOT = Path(__file__).parents[3]
GRID = """
[start]
about = "what identity rows start from"
[start.tasks]
text = { model.identity-start = "text" }
random = { model.identity-start = "random" }
again = { model = { identity-start = "random" }, against = "random" }

[other]
about = "tasks that cannot be, and one that fails"
[other.tasks]
"cannot be" = { model.name = "sasrec", model.private = "gate-bias" }
"has no counts" = { kind = "popularity", federation.share-counts = false }
"too many negatives" = { loss.negatives = 1000 }
"nobody answers" = { federation.drop-out = 0.99 }
"""


@pytest.fixture
def small_grid(tmp_path, monkeypatch):
    path = tmp_path / "grid.toml"
    path.write_text(GRID)
    monkeypatch.setattr(grid, "FILE", path)


@pytest.fixture
def ablated(small_home, tmp_path, small_config, monkeypatch):
    """``ablated(out, **keywords)``: what failed, and the names of the runs that were made."""
    import server.run
    from fedrec.config.keys import to_toml

    monkeypatch.setattr(server.run, "write_report", lambda path: None)
    preset = tmp_path / "small.toml"
    preset.write_text(to_toml(small_config({"federation.rounds": 1})))

    def run(out, sets=(), **keywords):
        ended = []

        @contextlib.contextmanager
        def show(planned_runs, there):
            yield lambda planned, reason: ended.append(planned.folder.name)

        words = {"command": "fedrec ablate small", "workers": 1, "show": show}
        return ablate(str(preset), sets, out=out, **words | keywords), ended

    return run


def test_data_that_are_not_there_end_it_before_any_run(ablated, tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        ablated(tmp_path / "out", ["data.source=/nowhere.csv"])
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_else_in_it_is_not_used(ablated, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"out is not empty and holds no ablation .*--out"):
        ablated(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["run.json"]


def test_groups_are_chosen_by_name():
    groups = placed_grid(read_config({}), FEDERATED)
    assert [group.name for group in chosen_groups(groups, ["start, table"])] == ["table", "start"]
    assert chosen_groups(groups, []) == groups
    with pytest.raises(ConfigError, match="'mix' was renamed to 'fusion'; use --only fusion"):
        chosen_groups(groups, ["mix"])
    with pytest.raises(ConfigError, match="unknown group 'tabel'; did you mean 'table'"):
        chosen_groups(groups, ["tabel"])
    with pytest.raises(ConfigError, match="--only names no group; groups are headline, "):
        chosen_groups(groups, [" ", ""])


def test_runs_are_made_once_and_what_fails_stops_nobody(ablated, small_grid, tmp_path):
    out = tmp_path / "out"
    failed, ended = ablated(out, seeds=2)
    made = ["preset-seed0", "start-random-seed0", "preset-seed1", "start-random-seed1"]
    assert [name for name in ended if name not in failed] == made
    assert set(failed) == {f"other-nobody-answers-seed{k}" for k in (0, 1)}
    record = found(out)
    others = {task["name"]: task["missing"] for task in record["groups"]["other"]["tasks"]}
    for name, why in WHY.items():
        assert others[name]["0"] == others[name]["1"]
        assert others[name]["1"].startswith(f"skipped: {why}")
    assert others["nobody answers"]["1"].startswith("failed: ")
    text, random, again = record["groups"]["start"]["tasks"]
    assert (text["seeds"], text["against"], random["against"]) == ([0, 1], "", "text")
    assert again["per seed"] == random["per seed"]
    assert "difference" not in again  # it is the run that it is compared with
    for seed, value in enumerate(random["per seed"]):
        with np.load(out / f"start-random-seed{seed}" / "ranks.npz") as arrays:
            assert value == pytest.approx(ndcg(arrays["rank_full"], 10).mean(), abs=1e-12)
    difference = random["all"]["NDCG@10"]["value"] - text["all"]["NDCG@10"]["value"]
    assert random["difference"]["all"]["value"] == pytest.approx(difference, abs=1e-12)
    # Nothing of that is done again but what failed and might not any more; the rest is kept.
    assert ablated(out, seeds=1, only=["start"]) == ({}, [])
    assert found(out) == record
    with pytest.raises(ConfigError, match="holds the federated ablation of "):
        ablated(out, ["model.width=4"])
    about = read_json(out / "preset-seed0" / "run.json")
    write_about(out / "preset-seed0" / "run.json", about | {"code": "other"})
    with pytest.raises(ConfigError, match="preset-seed0 holds a run of another config or other"):
        ablated(out)


WHY = {
    "cannot be": "model.private needs a gate",
    "has no counts": "popularity needs training counts",
    "too many negatives": "loss.negatives is 1000",
}


def test_a_central_cell_is_the_central_reference_with_one_thread(ablated, small_grid, tmp_path):
    failed, _ = ablated(tmp_path / "out", centralised=True, only=["start"])
    about = read_json(tmp_path / "out" / "preset-seed0" / "run.json")
    assert (failed, about["engine"], len(about["partitions"])) == ({}, "baseline (centralised)", 1)
    assert ablated(tmp_path / "out", centralised=True, only=["start"]) == ({}, [])
    assert found(tmp_path / "out")["groups"]["start"]["tasks"][0]["client_megabytes"] is None


@pytest.mark.parametrize(
    ("sets", "keywords", "message"),
    [
        ((), {"seeds": 0}, "--seeds must be 1 or more, got 0"),
        ((), {"workers": 0}, "workers must be 1 or more, got 0"),
        (["seed=3"], {}, "--set seed=... contradicts --seeds"),
    ],
)
def test_options_that_cannot_be_are_refused(ablated, tmp_path, sets, keywords, message):
    with pytest.raises(ConfigError, match=message):
        ablated(tmp_path / "out", sets, **keywords)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_killed_on_ray_and_called_again_it_leaves_the_bytes_of_this_process(
    tmp_path, scratch, monkeypatch
):
    sets = TINY | {"federation.rounds": 40}
    words = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    head = [sys.executable, "-m", "experiments.cli.main", "ablate", "synthetic", "--only", "start"]
    values = {
        "FEDREC_HOME": str(tmp_path / "home"),
        "TMPDIR": str(scratch),
        "PYTHONPATH": str(ROOT),
    }

    def start(workers: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*head, *words, "--workers", str(workers), "--out", str(tmp_path / "ray")],
            cwd=tmp_path,
            env=os.environ | values,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def rounds(name: str) -> int:
        path = tmp_path / "ray" / f"{name}-seed0" / "rounds.jsonl"
        return path.read_text().count("\n") if path.exists() else 0

    names = ("preset", "start-random")
    for number, code in ((signal.SIGKILL, -9), (signal.SIGTERM, 143)):
        process = start(2)
        reached = {name: rounds(name) for name in names}
        deadline = time.monotonic() + 400
        while not all(rounds(name) > reached[name] + 7 for name in names):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == code
        assert "Traceback" not in errors
    assert errors.splitlines()[-1] == (
        "terminated; the same command goes on with the runs that are left"
    )
    deadline = time.monotonic() + 30
    while list(scratch.glob("fedrec-*")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process = start(2)
    _, errors = process.communicate(timeout=600)
    said = [line for line in errors.splitlines() if not line.startswith("waiting for Ray")]
    assert (process.returncode, said) == (0, [])
    monkeypatch.setenv("FEDREC_HOME", values["FEDREC_HOME"])
    changes = [f"{key}={value}" for key, value in sets.items()]
    here = {"command": "test", "workers": 1, "show": lambda *_: contextlib.nullcontext(ignore)}
    assert ablate("synthetic", changes, out=tmp_path / "here", only=["start"], **here) == {}
    for name in names:
        one, other = (tmp_path / out / f"{name}-seed0" for out in ("ray", "here"))
        assert read_json(one / "run.json")["resumed"], "it was not killed in time"
        for file in ("model.safetensors", "ranks.npz"):
            assert (one / file).read_bytes() == (other / file).read_bytes()
