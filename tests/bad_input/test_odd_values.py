"""Odd values and files: refused in one line, before anything is allocated or read without end."""

import os

import numpy as np
import pytest
from torch import nn

from experiments.presets import read_preset
from experiments.resume import run_folder
from experiments.settings import parse_sets, resolve
from fedrec.config.config import Config
from fedrec.config.keys import read_config
from fedrec.data.preparation.sources import find_source
from fedrec.errors import ConfigError, DataError
from fedrec.factory import memory
from fedrec.factory.build_model import build_model
from server.aggregation.strategies import make_strategy


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"federation.rounds": 10**400}, "federation.rounds must lie within 64 bits"),
        ({"local.learning-rate": 10**400}, "local.learning-rate must lie within 64 bits"),
        ({"model.width": 2**63}, "model.width must lie within 64 bits"),
        ({"seed": 2**63}, "seed must be"),
        ({"run.dir": "/tmp/a\0b"}, "run.dir must be UTF-8 text without NUL"),
        ({"data.source": "/tmp/\udcff"}, "data.source must be UTF-8 text without NUL"),
        ({"data.title-column": "\ud800"}, "data.title-column must be UTF-8 text"),
        ({"federation.rounds": "9" * 5000}, r"got '9+\.\.\. of 5002 characters"),
    ],
)
def test_values_beyond_what_a_machine_holds_are_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        read_config(values)


def test_a_number_of_thousands_of_digits_is_no_toml(tmp_path):
    assert parse_sets([f"seed={'1' * 5000}"]) == {"seed": "1" * 5000}
    path = tmp_path / "a.toml"
    path.write_text(f"seed = {'1' * 5000}")
    with pytest.raises(ConfigError, match="is no TOML"):
        read_preset(str(path))


def test_brackets_without_end_are_refused(tmp_path):
    path = tmp_path / "deep.toml"
    path.write_text(f"a = {'[' * 20_000}{']' * 20_000}")
    with pytest.raises(ConfigError, match="nests tables or lists too deeply"):
        read_preset(str(path))


def test_a_config_without_end_is_not_read_to_its_end():
    with pytest.raises(ConfigError, match="no run config is that long"):
        read_preset("/dev/zero")


@pytest.mark.parametrize("make", [os.mkfifo, None])
def test_a_source_that_is_no_regular_file_is_never_opened(tmp_path, make):
    path = str(tmp_path / "pipe") if make else "/dev/zero"
    if make:
        make(path)
    with pytest.raises(DataError, match="is no regular file or folder"):
        find_source(path, format="auto", home=tmp_path, seed=0, columns=None)


def test_a_table_larger_than_memory_is_not_read(tmp_path):
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(1 << 43)  # 8 TiB of holes
    with pytest.raises(DataError, match=r"has 8,192\.0 GiB, this machine .* GiB of memory"):
        find_source(str(path), format="auto", home=tmp_path, seed=0, columns=None)


def test_a_link_to_itself_is_refused(tmp_path):
    link = tmp_path / "self"
    link.symlink_to(link)
    with pytest.raises(ConfigError, match=r"run\.dir = .* is no path that can be followed"):
        resolve(None, [], {"run.dir": str(link / "run")})
    with pytest.raises(DataError, match="is no folder of a run"):
        run_folder(str(link))
    with pytest.raises(DataError, match="is no folder of a run"):
        run_folder("a\0b")


@pytest.mark.parametrize(
    "words",
    [
        ["sweep", "synthetic", "--grid", "strategy.name=fedavg,fedadam", "--seeds", "1"],
        ["ablate", "synthetic", "--only", "start"],
        ["benchmark", "ml-100k"],
    ],
)
def test_a_folder_for_many_runs_that_is_a_link_to_itself_is_refused(words, fedrec, tmp_path):
    link = tmp_path / "self"
    link.symlink_to(link)
    ended = fedrec(*words, "--out", str(link))
    assert ended.code == 2
    assert "is a link to itself; give another path" in ended.errors
    assert len(ended.errors.splitlines()) == 1


@pytest.mark.parametrize("key", ["width", "hidden", "blocks", "max-length"])
def test_a_model_beyond_memory_is_refused_with_its_number(key):
    config = read_config({f"model.{key}": 10**10})
    with pytest.raises(ConfigError, match=rf"model\.{key} = 10000000000.* parameters, .* GiB"):
        memory.check_memory(config, 100)
    memory.check_memory(Config(), 100_000)


@pytest.mark.parametrize("name", ["hybrid", "sasrec", "gru4rec", "bert4rec"])
def test_the_estimate_is_near_the_number_of_parameters(name):
    loss = {"loss.negatives": 5}
    config = read_config({"model.name": name, "model.width": 128, "model.hidden": 512} | loss)
    rows = np.random.default_rng(0).normal(size=(301, 128)).astype(np.float32)
    built = build_model(
        config.model,
        num_items=300,
        semantic=rows,
        content=rows[:, :8],
        frequency=np.ones(301),
        seed=0,
        users=np.arange(3),
    )
    real = sum(parameter.numel() for parameter in built.parameters() if parameter.requires_grad)
    assert 0.7 < memory.estimated_parameters(config, 300) / real < 1.4


def test_a_table_of_events_in_the_place_of_a_config_says_where_it_goes():
    with pytest.raises(ConfigError, match=r"goes to data\.source \(--set data\.source=mine\.csv"):
        read_preset("mine.csv")


def test_an_option_that_a_strategy_does_not_take_names_those_that_do():
    with pytest.raises(ConfigError, match="it takes: none; fedprox would take it"):
        make_strategy("fedavg", "proximal-mu = 0.1")
    with pytest.raises(ConfigError, match=r"it takes: none; options are for .*fedprox"):
        make_strategy("fedavg", "banana = 3")


A_MODULE = nn.Linear(2, 2)


def test_an_instance_in_the_place_of_a_model_is_refused():
    config = read_config({"model.name": f"{__name__}:A_MODULE"})
    with pytest.raises(ConfigError, match=r"makes a model .* got an instance of Linear"):
        build_model(
            config.model,
            num_items=3,
            semantic=None,
            content=np.ones((4, 1), dtype=np.float32),
            frequency=np.ones(4),
            seed=0,
            users=np.arange(3),
        )
