"""A grid that cannot be run is refused before its first run, with a line for each mistake."""

import pytest

from experiments.sweep.api import prepare
from experiments.sweep.making import Room
from fedrec.errors import ConfigError


@pytest.fixture
def refused(preset, tmp_path):
    def lines(*texts, **keywords):
        with pytest.raises(ConfigError) as caught:
            prepare(preset, texts, **{"out": tmp_path / "out", "room": Room(jobs=1)} | keywords)
        assert not (tmp_path / "out").exists()
        return list(caught.value.problems)

    return lines


def test_unknown_keys_and_values_out_of_range_are_told_once_whatever_they_are_combined_with(
    refused,
):
    assert refused("local.epoch=1,2", "model.width=8,0", "model.name=sasrec,hybrid") == [
        "unknown key 'local.epoch'; did you mean 'local.epochs'?",
        "model.width must be a whole number of 1 or more, got 0 (in local.epoch=1, model.width=0, "
        "model.name=sasrec and 3 more)",
    ]


def test_more_runs_than_allowed_are_refused_with_how_they_come_about(refused):
    assert refused("local.epochs=1,2", "partition.alpha=1,2,3", seeds=3, max_runs=17) == [
        "the grid has 18 runs (2 local.epochs x 3 partition.alpha x 3 seeds), more "
        "than --max-runs 17; take fewer values, or raise it"
    ]


def test_what_contradicts_the_grid_is_refused(refused):
    assert refused(
        "local.epochs=1,2,1", "seed=1,2", "run.name=a,b",
        sets=["local.epochs=3"], seeds=0, within=["model.width"],
    ) == [
        "the grid has local.epochs = 1 twice; leave one of them out",
        "--set local.epochs contradicts the grid, which varies it; leave one of them out",
        "seed cannot be varied by a grid: --seeds says how many seeds",
        "run.name cannot be varied by a grid: a sweep sets it by itself",
        "--within model.width is none of the keys of the grid: local.epochs, seed, run.name",
        "--seeds must be 1 or more, got 0",
    ]  # fmt: skip


def test_a_seed_of_its_own_contradicts_the_seeds(refused):
    assert refused("local.epochs=1,2", sets=["seed=4"]) == [
        "--set seed=... contradicts --seeds, which runs seeds 0, 1, ..."
    ]


def test_two_cells_of_one_config_are_refused(refused):
    assert refused("partition.alpha=1,1.0") == [
        "partition.alpha=1.0 is the same config as partition.alpha=1; leave one of them out of the "
        "grid"
    ]
    assert refused("device=cpu,auto")[0].startswith("device=auto is the same config as device=cpu")


def test_what_data_or_strategy_refuse_is_told_before_any_run(refused):
    [line] = refused("partition.count=3,500")
    assert "partition.count is 500, but 60 users" in line
    assert line.endswith("(in partition.count=500)")
    [line] = refused("strategy.name=fedavg,fedavgg")
    assert "did you mean 'fedavg'? (in strategy.name=fedavgg)" in line


@pytest.mark.parametrize(
    ("room", "message"),
    [
        (Room(jobs=0), "--jobs must be 1 or more, got 0"),
        (Room(cpus=0), "--cpus must be a number above 0, got 0"),
        (Room(gpus=1.5), "--gpus must be 0, a share of one GPU, or a whole number, got 1.5"),
        (Room(address="here"), "address must be auto or host:port, got 'here'"),
    ],
)
def test_room_that_cannot_be_is_refused(refused, room, message):
    assert refused("local.epochs=1,2", room=room) == [message]


def test_rounds_to_prune_at_need_a_rule(refused):
    assert refused("local.epochs=1,2", prune_at=[3])[0].startswith("--prune-at says when --prune")
