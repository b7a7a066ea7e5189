"""The grid of an ablation study: its tasks, their folders, what is refused."""

from pathlib import Path

import pytest

from experiments.ablation import grid
from experiments.ablation.grid import placed_grid
from experiments.ablation.grid_checks import check_base, checked
from experiments.ablation.run import _planned_runs
from experiments.settings import resolve
from experiments.sweep.planned import CENTRALISED, FEDERATED
from fedrec.config.keys import config_hash, read_config
from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError
from fedrec.factory.data import open_prepared
from fedrec.semantics.signals import write_signals


def without_signals(groups):
    """The groups that need no file of signals."""
    assert [group.name for group in groups].count("signals") == 1
    return [group for group in groups if group.name != "signals"]


def test_every_cell_of_the_grid_goes_with_the_defaults_and_has_a_baseline():
    groups = placed_grid(read_config({}), FEDERATED)
    assert len(groups) > 10
    for group in without_signals(groups):
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
    tasks = [task for group in without_signals(checked(base, groups)) for task in group.tasks]
    assert {task.name: task.skipped for task in tasks if task.skipped} == {}


def test_cells_of_one_config_have_one_folder_and_others_their_own():
    groups = without_signals(placed_grid(read_config({}), FEDERATED))
    folders = {(group.name, task.name): task.folder for group in groups for task in group.tasks}
    own = [("table", "on"), ("fusion", "context gate"), ("views", "all three"), ("start", "text")]
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
    assert groups["fusion"].baseline == "sum"
    assert groups["views"].baseline == "identity, semantic"
    # The group's own word holds, whatever the preset is.
    assert groups["table"].baseline == "off"
    dropout = placed_grid(read_config({"model.identity-dropout": 0.4}), FEDERATED)
    tasks = next(group for group in dropout if group.name == "identity-dropout").tasks
    assert [task.name for task in tasks] == ["preset", "0", "0.1", "0.2"]


def test_cells_are_what_they_are_called_whatever_the_preset_is():
    base = read_config({"model.views": "semantic,content", "model.time": "hour"})
    groups = {group.name: group for group in without_signals(placed_grid(base, FEDERATED))}
    tasks = {(name, c.name): c for name, group in groups.items() for c in group.tasks}
    configs = {key: grid.run_config(base, c) for key, c in tasks.items() if not c.skipped}
    assert [c.skipped for c in tasks.values() if c.skipped] == []
    assert configs["table", "off"].model.views == "content"
    assert configs["table", "on"].model.views == "semantic,content"
    assert configs["baselines", "SASRec"].model.time == ""
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
        groups = without_signals(placed_grid(read_config(users), kind))
        refused[kind] = {c.name: c.skipped for g in groups for c in g.tasks if c.skipped}
    assert "BERT4Rec" in refused[FEDERATED]
    assert refused[CENTRALISED] == {}


def test_the_group_of_signals_needs_a_file_of_them():
    group = next(g for g in placed_grid(read_config({}), FEDERATED) if g.name == "signals")
    assert {task.skipped for task in group.tasks} == {
        f"{key} = '+signals' needs a file of signals in semantics.signals"
        for key in ("model.views",)
    }


def test_the_group_of_signals_has_them_in_the_text_as_views_as_their_mean_and_controls(tmp_path):
    path = tmp_path / "signals.jsonl"
    write_signals(path, {"kinds": ["usage", "theme"]}, {"i1": {"usage": "A.", "theme": "B."}})
    views = "identity,semantic,signal-usage,signal-theme"
    base = read_config({"semantics.signals": str(path), "model.views": views})
    group = next(g for g in placed_grid(base, FEDERATED) if g.name == "signals")
    assert [task.skipped for task in group.tasks if task.skipped] == []
    found = {
        task.name: (config.model.views, config.semantics.fields, config.semantics.signals_control)
        for task in group.tasks
        for config in [grid.run_config(base, task)]
    }
    plain, text = "identity,semantic", "title,genres,year,signal-usage,signal-theme"
    fields = "title,genres,year"
    assert found == {
        "none": (plain, fields, "none"),
        "in the text": (plain, text, "none"),
        "a view of each kind": (views, fields, "none"),
        "their mean as a view": (f"{plain},signals-mean", fields, "none"),
        "in the text, of another item": (plain, text, "shuffled"),
        "in the text, one sentence for all": (plain, text, "generic"),
        "in the text, the title again": (plain, text, "title"),
        "views, of another item": (views, fields, "shuffled"),
        "views, one sentence for all": (views, fields, "generic"),
        "views, the title again": (views, fields, "title"),
    }
    assert len({task.folder for task in group.tasks}) == 10
