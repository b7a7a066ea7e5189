"""What a run tells its trackers, and that they change nothing of it."""

import importlib.util
import logging
import shlex
import tomllib
from pathlib import Path

import pytest

from experiments.baselines.run import run_baseline
from fedrec.config.keys import read_config
from fedrec.config.values.choices import TRACKERS
from fedrec.errors import ConfigError, ResourceError
from fedrec.runs.record import read_json, read_run
from server.trackers import tracked
from server.trackers.figures import final_figures, round_figures

PLAIN = {"federation.rounds": 2, "run.checkpoint-every": 1}


class Notebook:
    """A tracker that keeps what it was told; ``fails`` names the call that raises."""

    fails = ""

    def __init__(self, run):
        self._check("begin")
        told.append(("begin", run.identity, run.completed, run.config["federation.rounds"]))
        self.identity = run.identity or f"page-{len(told)}"

    def _check(self, call):
        if self.fails == call:
            raise RuntimeError("no ink\nleft")

    def add_round(self, number, figures):
        self._check("add_round")
        told.append(("round", number, figures.get("validation/NDCG@10")))

    def end(self, status, figures, report):
        self._check("end")
        told.append(("end", status, figures.get("test/NDCG@10"), report is not None))


told: list[tuple] = []


@pytest.fixture(autouse=True)
def notebook(monkeypatch):
    """The notebook stands in for MLflow, as its package."""
    told.clear()
    monkeypatch.setitem(tracked.KINDS, "mlflow", Notebook)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: name if name == "mlflow" else found(name)
    )


def test_a_tracker_is_told_each_round_and_the_end(small_config, run_inline, tmp_path):
    config = small_config(PLAIN | {"run.trackers": "mlflow"})
    run = read_run(run_inline(config, tmp_path / "run"))
    curve = [line["validation"]["NDCG@10"] for line in run.history]
    test = run.metrics["test"]["NDCG@10"]["value"]
    assert told == [
        ("begin", "", -1, 2),
        *(("round", number, value) for number, value in enumerate(curve)),
        ("end", "done", test, False),
    ]
    assert read_json(run.folder / "trackers.json") == {"mlflow": "page-1"}


@pytest.mark.parametrize("kind", ["centralised", "popularity", "local-only"])
def test_a_baseline_is_told_as_a_run_is(kind, small_config, tmp_path):
    config, lines = small_config(PLAIN | {"run.trackers": "mlflow"}), []
    folder = run_baseline(kind, config, tmp_path / "run", lambda line: lines.append(line["round"]))
    run = read_run(folder)
    assert told[0] == ("begin", "", -1, 2)
    assert [one[1] for one in told if one[0] == "round"] == [line["round"] for line in run.history]
    assert lines == [line["round"] for line in run.history]
    assert told[-1] == ("end", "done", run.metrics["test"]["NDCG@10"]["value"], True)


def test_an_interrupted_run_goes_on_in_the_same_page(small_config, run_inline, tmp_path):
    config = small_config(PLAIN | {"run.trackers": "mlflow"})

    def stop(line):
        if line["round"] == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_inline(config, tmp_path / "run", on_round=stop)
    assert told[-1] == ("end", "interrupted", None, False)
    told.clear()
    resumed = small_config(PLAIN | {"run.resume": True})  # as `fedrec resume`: without the key
    run_inline(resumed, tmp_path / "run")
    assert [one[:3] for one in told[:2]] == [("begin", "page-1", 1), ("round", 2, told[1][2])]
    assert told[-1][:2] == ("end", "done")


def test_trackers_that_fail_end_alone_and_change_no_byte(
    small_config, run_inline, run_once, tmp_path, monkeypatch, caplog
):
    plain = run_once(small_config({"federation.rounds": 1}))
    calls = {"tensorboard": "begin", "mlflow": "add_round", "wandb": "end"}
    for name, call in calls.items():
        monkeypatch.setitem(tracked.KINDS, name, type(name, (Notebook,), {"fails": call}))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    trackers = {"run.trackers": "tensorboard, mlflow, wandb"}
    with caplog.at_level(logging.WARNING):
        folder = run_inline(small_config({"federation.rounds": 1} | trackers), tmp_path / "run")
    told = [
        f"tracker {name} failed and is told no more of this run: RuntimeError: no ink left"
        for name in calls
    ]
    assert [record.getMessage() for record in caplog.records] == told
    assert all(line in (folder / "log.txt").read_text() for line in told)
    for name in ("config.toml", "metrics.json", "users.csv", "ranks.npz", "model.safetensors"):
        assert _of(folder, name) == _of(plain, name)


def _of(folder, name):
    """A file of a run; times are no result."""
    if name == "metrics.json":
        return {key: value for key, value in read_json(folder / name).items() if key != "seconds"}
    return (folder / name).read_bytes()


def test_a_missing_package_is_refused_before_anything_is_made(small_config, run_inline, tmp_path):
    config = small_config({"run.trackers": "mlflow, wandb"})
    if importlib.util.find_spec("wandb") is not None:
        pytest.skip("wandb is installed")
    with pytest.raises(ResourceError, match=r"needs wandb, .*: pip install 'wandb>="):
        run_inline(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_packages_to_install_are_those_of_the_extras():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert {name: shlex.split(line) for name, line in tracked.INSTALL.items()} == {
        name: extras[name] for name in tracked.INSTALL
    }
    assert tuple(tracked.INSTALL) == tuple(tracked.KINDS) == TRACKERS


def test_a_tracker_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match=r"run\.trackers must be one of tensorboard, mlflow"):
        read_config({"run.trackers": "mlflow,mlfow"})


def test_figures_have_names_in_groups():
    line = {
        "train_loss": 2.5,
        "validation": {"NDCG@10": 0.25, "AUC": None},
        "clients": {"NDCG@10": {"p10": 0.125}},
        "users": {"sampled": 32, "aggregated": 30},
        "sampled": [0, 1],
        "aggregated": [0],
        "excluded": [{}],
        **dict.fromkeys(("megabytes", "client_megabytes", "bytes_down", "bytes_up"), 1),
        "bytes_evaluate": 7,
        "elapsed": 3.0,
        "seconds": {"train": 2.0},
    }
    found = round_figures(line)
    assert {name: found[name] for name in list(found)[:6]} == {
        "train/loss": 2.5,
        "validation/NDCG@10": 0.25,
        "clients NDCG@10/p10": 0.125,
        "clients/sampled": 32,
        "clients/aggregated": 30,
        "clients/excluded": 1,
    }
    assert (found["traffic/bytes_evaluate"], found["seconds/train"]) == (7, 2.0)
    cells = {"HR@10": {"value": 0.5, "low": 0.4, "high": 0.6}, "rounds": {"value": 3}}
    assert final_figures({"test": cells}) == {
        "test/HR@10": 0.5,
        "test/HR@10/low": 0.4,
        "test/HR@10/high": 0.6,
        "test/rounds": 3,
    }
