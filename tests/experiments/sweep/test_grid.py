"""The grids of `fedrec sweep`: ours, those of a file, and what is refused."""

import pytest

from experiments.presets import preset_names
from experiments.sweep.axes import parse_axes
from experiments.sweep.cells import cells_of
from experiments.sweep.grid import grid_names, grid_of
from experiments.sweep.strategy_options import with_options
from fedrec.config.keys import read_config
from fedrec.errors import ConfigError

GRID = """
about = "epochs under two strategies"
presets = ["synthetic"]
seeds = 2
within = ["local.epochs"]
[set]
model.width = 8
[cases.plain]
strategy.name = "fedavg"
[cases.adaptive]
strategy = { name = "fedadam", options = "eta = 0.01" }
[grid]
local.epochs = [1, 2]
"""


def cells(source, texts=(), presets=(), fixed=None):
    grid = grid_of(source, parse_axes(texts), presets)
    return cells_of(grid, dict(grid.settings) | (fixed or {}))[0]


@pytest.mark.parametrize("name", grid_names())
def test_a_grid_of_ours_has_a_name_of_its_own_and_configs_that_can_be(name):
    assert name not in preset_names()
    grid = grid_of(name, (), ())
    found = [
        read_config(dict(grid.settings) | dict(cell.changes)) for cell in cells_of(grid, {})[0]
    ]
    assert len(set(found)) == len(found) > 2
    assert grid.about
    assert set(grid.strata) <= set(grid.keys)


def test_the_grids_are_those_that_the_documentation_names():
    assert grid_names() == ["clients", "local-epochs", "strategies", "views"]


def test_a_file_has_cases_times_values_with_the_first_axis_slowest(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GRID)
    grid = grid_of(str(path), (), ())
    assert (grid.name, grid.presets, grid.seeds, grid.strata) == (
        "mine",
        ("synthetic",),
        2,
        ("local.epochs",),
    )
    assert [(cell.name, cell.folder) for cell in cells(str(path))] == [
        ("plain, local.epochs=1", "plain-epochs-1"),
        ("plain, local.epochs=2", "plain-epochs-2"),
        ("adaptive, local.epochs=1", "adaptive-epochs-1"),
        ("adaptive, local.epochs=2", "adaptive-epochs-2"),
    ]
    assert cells(str(path))[3].changes == {
        "strategy.name": "fedadam",
        "strategy.options": "eta = 0.01",
        "local.epochs": 2,
    }


def test_an_axis_of_the_command_replaces_that_of_the_grid_and_presets_those_of_it(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GRID)
    found = cells(str(path), ["local.epochs=3", "model.blocks=1"], ["ml-1m", "ml-100k"])
    assert len(found) == 2 * 2 * 1 * 1
    assert found[0].folder == "ml-1m-plain-epochs-3-blocks-1"
    assert {cell.preset for cell in found} == {"ml-1m", "ml-100k"}


def test_configs_are_compared_within_all_keys_but_the_first():
    texts = ["strategy.name=fedavg,fedadam", "partition.alpha=0.1,1", "local.epochs=1,2"]
    grid = grid_of("synthetic", parse_axes(texts), ())
    assert grid.strata == ("partition.alpha", "local.epochs")


def test_folders_that_differ_in_nothing_but_letters_of_another_size_get_a_hash():
    texts = ["model.name=own:Model,Own:Model", "model.width=8"]
    first, second = (cell.folder for cell in cells("synthetic", texts))
    assert first.lower() != second.lower()
    assert first.startswith("model-own-Model-width-8-")
    long = cells("synthetic", [f"data.source={'x' * 200},y"])[0].folder
    assert len(long) < 100


def test_options_of_the_preset_are_its_own_strategys():
    beauty = {"strategy.name": "server-adam", "strategy.options": "learning-rate = 0.008"}
    named = {"strategy.name": "fedavg"}
    changes, line = with_options(named, {}, beauty)
    assert changes == named | {"strategy.options": ""}
    assert "'learning-rate = 0.008' are those of server-adam" in line
    assert with_options({"strategy.name": "server-adam"}, {}, beauty) == (
        {"strategy.name": "server-adam"},
        "",
    )


def test_fedprox_gets_the_mu_that_it_must_have_and_it_is_told():
    changes, line = with_options({"strategy.name": "fedprox"}, {}, {})
    assert changes["strategy.options"] == "proximal-mu = 0.01"
    assert line.startswith("strategy.options of fedprox is 'proximal-mu = 0.01': fedprox needs it")
    given = {"strategy.options": "proximal-mu = 1.0"}
    assert with_options({"strategy.name": "fedprox"}, given, {})[0] == {"strategy.name": "fedprox"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, r"name a grid \(clients, local-epochs, strategies, views\), GRID.toml, or a preset"),
        ("strategy", "unknown grid 'strategy'; did you mean 'strategies'"),
        ("ablation", "the grid ablation is that of `fedrec ablate PRESET`"),
        ("synthetic", "synthetic is no grid, so --grid must say what is varied"),
    ],
)
def test_what_is_no_grid_is_refused(source, message):
    with pytest.raises(ConfigError, match=message):
        grid_of(source, (), ())


def test_every_mistake_in_a_file_is_told(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text('seed = 3\nseeds = "3"\nwithin = [1]\n[grid]\nlocal.epochs = 2\n')
    with pytest.raises(ConfigError) as caught:
        grid_of(str(path), (), ())
    names = "about, presets, seeds, within, set, grid, cases"
    assert caught.value.problems == (
        f"{path}: 'seed' is none of {names}; did you mean 'seeds'?",
        f"{path}: seeds must be a whole number, got '3'",
        f"{path}: within must be a list of keys of the grid, got [1]",
        f"{path}: grid.local.epochs must be a list of one value or more, got 2",
    )
