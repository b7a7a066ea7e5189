"""`fedrec ablate`: equal tasks are one run, a failing one stops nobody, a second call goes on."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from experiments.ablation import grid
from experiments.ablation.grid import CENTRALISED, FEDERATED, chosen_groups, placed_grid
from experiments.ablation.grid_checks import check_base, checked
from experiments.ablation.run import _planned_runs, ablate
from experiments.cli.settings import resolve
from experiments.engines.run import ignore
from fedrec.config.keys import config_hash, read_config
from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError, DataError
from fedrec.evaluation.metrics import ndcg
from fedrec.factory.data import open_prepared
from fedrec.report.ablation.summary import found
from fedrec.runs.record import read_json

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


def test_every_cell_of_the_grid_goes_with_the_defaults_and_has_a_baseline():
    groups = placed_grid(read_config({}), FEDERATED)
    assert len(groups) > 10
    for group in groups:
        rows = [(task.name, task.against) for task in group.tasks]
        names = [task.name for task in group.tasks]
        assert len(set(rows)) == len(rows)
        assert [task.skipped for task in group.tasks if task.skipped] == []
        assert [task.name for task in group.tasks if not task.against] == [group.baseline]
        assert {task.against for task in group.tasks} - {""} <= set(names)


def test_no_cell_of_the_whole_grid_is_refused_on_the_embedded_data(tmp_path, monkeypatch):
    """Cold items leave fewer items than ``loss.negatives`` there: then all of them are drawn."""
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path))
    base = resolve("synthetic", ["semantics.encoder=hashed"], {})
    groups = placed_grid(base, FEDERATED, open_prepared(base).dataset.catalog)
    tasks = [task for group in checked(base, groups) for task in group.tasks]
    assert {task.name: task.skipped for task in tasks if task.skipped} == {}


def test_cells_of_one_config_have_one_folder_and_others_their_own():
    groups = placed_grid(read_config({}), FEDERATED)
    folders = {(group.name, task.name): task.folder for group in groups for task in group.tasks}
    own = [("table", "on"), ("mix", "context gate"), ("views", "all three"), ("start", "text")]
    assert {folders[name] for name in own} == {"preset"}
    assert folders["views", "identity, content"] == folders["table", "off"] == "table-off"
    configs = {}
    for group in groups:
        for task in group.tasks:
            hashed = config_hash(grid.run_config(read_config({}), task))
            configs.setdefault(task.folder, set()).add((task.kind, hashed))
    assert all(len(found) == 1 for found in configs.values())
    assert len(set.union(*configs.values())) == len(configs)


@pytest.mark.parametrize(
    "keys",
    [
        {"model.neighbours": 3},
        {"model.neighbours": 3, "model.private": "identity"},
        {"model.neighbours": 3, "model.neighbour-events": 0.0, "model.views": "identity,content"},
    ],
)
def test_cells_that_lend_alike_are_one_run(keys):
    base = read_config(keys)
    groups = {group.name: group for group in placed_grid(base, FEDERATED)}
    folders = {task.name: task.folder for task in groups["neighbours"].tasks}
    assert len(set(folders.values())) == (3 if base.model.smooths else 1)
    tasks = [task for task in groups["llmseqrec"].tasks if task.changes and not task.skipped]
    configs = [grid.run_config(base, task).model for task in tasks]
    assert not any(model.smooths for model in configs)  # what lending is worth is another question


def test_a_group_runs_as_many_seeds_as_it_asks_for():
    base = read_config({})
    groups = {group.name: group for group in placed_grid(base, FEDERATED)}
    planned_runs = _planned_runs(base, [groups["headline"], groups["start"]], 1, Path("out"))
    assert sorted(planned.folder.name for planned in planned_runs) == sorted(
        [f"{name}-seed{seed}" for name in ("preset", "headline-sasrec") for seed in range(3)]
        + ["start-random-seed0"]
    )


def test_the_cell_that_the_preset_is_becomes_the_baseline():
    base = read_config({"model.fusion": "sum", "model.views": "identity,semantic"})
    groups = {group.name: group for group in placed_grid(base, FEDERATED)}
    assert groups["mix"].baseline == "sum"
    assert groups["views"].baseline == "identity, semantic"
    # The group's own word holds, whatever the preset is.
    assert groups["table"].baseline == "off"
    dropout = placed_grid(read_config({"model.identity-dropout": 0.4}), FEDERATED)
    tasks = next(group for group in dropout if group.name == "identity-dropout").tasks
    assert [task.name for task in tasks] == ["preset", "0", "0.1", "0.2"]


def test_cells_are_what_they_are_called_whatever_the_preset_is():
    base = read_config({"model.views": "semantic,content", "model.time": "hour"})
    groups = {group.name: group for group in placed_grid(base, FEDERATED)}
    tasks = {(name, c.name): c for name, group in groups.items() for c in group.tasks}
    configs = {key: grid.run_config(base, c) for key, c in tasks.items() if not c.skipped}
    assert [c.skipped for c in tasks.values() if c.skipped] == []
    assert configs["table", "off"].model.views == "content"
    assert configs["table", "on"].model.views == "semantic,content"
    assert configs["comparison", "SASRec"].model.time == ""
    # Without identity rows there is nothing to start from.
    assert {tasks["start", name].folder for name in ("text", "random")} == {"preset"}
    without = read_config({"model.views": "identity,content"})
    groups = {group.name: group for group in placed_grid(without, FEDERATED)}
    on = next(task for task in groups["table"].tasks if task.name == "on")
    assert grid.run_config(without, on).model.views == "identity,content,semantic"
    alone = placed_grid(read_config({"model.views": "semantic"}), FEDERATED)
    table = next(group for group in alone if group.name == "table")
    assert "nothing but 'semantic'" in table.tasks[0].skipped


def test_fields_that_say_the_same_are_one_run():
    catalog = Catalog(
        item_ids=["1", "2"],
        titles=["Soap", "Comb"],
        genres=[(), ()],
        years=[None, None],
        descriptions=["Cleans.", ""],
    )
    base = read_config({"semantics.fields": "title,genres,description"})
    group = next(g for g in placed_grid(base, FEDERATED, catalog) if g.name == "text")
    folders = {task.name: task.folder for task in group.tasks}
    assert folders["title"] == folders["+ genres"] == folders["+ year"] == "text-title"
    assert folders["+ description"] == "preset"
    # All of them make the run of the first one, so that its folder holds one config.
    assert {task.changes["semantics.fields"] for task in group.tasks[:3]} == {"title"}
    assert group.tasks[3].changes == {}


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"model.name": "sasrec"}, 'model.name = "sasrec"'),
        ({"semantics.shuffled": True}, "semantics.shuffled = true"),
        ({"scenario.cold-items": 0.1}, "scenario.cold-items = 0.1"),
        ({"scenario.keep": 0.5}, "scenario.keep = 0.5"),
    ],
)
def test_a_preset_that_is_a_scenario_or_no_hybrid_is_refused(changes, shown):
    with pytest.raises(ConfigError, match=f"but here is {shown}; use a preset without"):
        check_base(read_config(changes))


def test_what_does_not_go_with_users_can_be_in_one_place():
    users = {"federation.unit": "user", "local.optimizer-state": "reset"}
    refused = {}
    for kind in (FEDERATED, CENTRALISED):
        groups = placed_grid(read_config(users), kind)
        refused[kind] = {c.name: c.skipped for g in groups for c in g.tasks if c.skipped}
    assert "BERT4Rec" in refused[FEDERATED]
    assert refused[CENTRALISED] == {}


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
    (out / "preset-seed0" / "run.json").write_text(json.dumps(about | {"code": "other"}))
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
        ((), {"workers": 0}, "--workers must be 1 or more, got 0"),
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
    sets = {
        "data.source": "synthetic:users=40,items=60",
        "semantics.encoder": "hashed",
        "semantics.width": 8,
        "model.width": 8,
        "model.hidden": 8,
        "model.max-length": 8,
        "loss.negatives": 8,
        "evaluation.resamples": 20,
        "federation.rounds": 40,
    }
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
        deadline = time.monotonic() + 120
        while not all(rounds(name) > reached[name] + 7 for name in names):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == code
        assert "Traceback" not in errors
    assert errors.splitlines()[-1] == (
        "error: terminated; the same command goes on with the runs that are left"
    )
    deadline = time.monotonic() + 30
    while list(scratch.glob("fedrec-*")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process = start(2)
    _, errors = process.communicate(timeout=240)
    assert (process.returncode, errors) == (0, "")
    monkeypatch.setenv("FEDREC_HOME", values["FEDREC_HOME"])
    changes = [f"{key}={value}" for key, value in sets.items()]
    here = {"command": "test", "workers": 1, "show": lambda *_: contextlib.nullcontext(ignore)}
    assert ablate("synthetic", changes, out=tmp_path / "here", only=["start"], **here) == {}
    for name in names:
        one, other = (tmp_path / out / f"{name}-seed0" for out in ("ray", "here"))
        assert read_json(one / "run.json")["resumed"], "it was not killed in time"
        for file in ("model.safetensors", "ranks.npz"):
            assert (one / file).read_bytes() == (other / file).read_bytes()
