"""Keys and values of earlier versions: refused in one line that names the new ones."""

import pytest

from experiments.presets import read_preset
from experiments.settings import resolve
from fedrec import simulate
from fedrec.config.config import Config
from fedrec.config.keys import RENAMED, flatten, read_config
from fedrec.errors import ConfigError
from server.aggregation.strategies import make_strategy

ROWS = [
    (
        "local.decay-rounds",
        5,
        "local.decay-rounds was renamed to local.schedule-rounds; set local.schedule-rounds = 5",
    ),
    (
        "federation.row-mean",
        "all",
        "federation.row-mean was renamed to federation.row-averaging; "
        "set federation.row-averaging = 'all'",
    ),
    (
        "federation.row-mean",
        "touched",
        "federation.row-mean was renamed to federation.row-averaging; "
        "set federation.row-averaging = 'sparse'",
    ),
    (
        "federation.row-averaging",
        "touched",
        "federation.row-averaging = 'touched' was renamed; set federation.row-averaging = 'sparse'",
    ),
    (
        "federation.weighting",
        "targets",
        "federation.weighting = 'targets' was renamed; set federation.weighting = 'num-examples'",
    ),
    (
        "model.mix",
        "sum",
        "model.mix was renamed to model.fusion; set model.fusion = 'sum'",
    ),
]


def test_every_row_of_the_table_is_tested_here():
    tested = {key for key, _, _ in ROWS} | {f"{key} = {value!r}" for key, value, _ in ROWS}
    assert set(RENAMED) - tested == {"strategy.options: decay-rounds"}


def test_new_names_are_keys_and_old_ones_are_not():
    flat = flatten(Config())
    for old, new in RENAMED.items():
        if " = " not in old and ": " not in old:
            assert old not in flat
            assert new in flat


@pytest.mark.parametrize(("key", "value", "message"), ROWS)
def test_an_old_name_is_refused_with_the_new_one(key, value, message):
    with pytest.raises(ConfigError) as caught:
        read_config({key: value})
    assert str(caught.value) == message


@pytest.mark.parametrize(("key", "value", "message"), ROWS)
def test_set_files_and_python_refuse_alike(key, value, message, tmp_path):
    file = tmp_path / "old.toml"
    written = f'"{value}"' if isinstance(value, str) else value
    file.write_text(f"{key} = {written}\n")
    for refused in (
        lambda: resolve("synthetic", [f"{key}={value}"]),
        lambda: resolve(str(file), ()),
        lambda: read_config(read_preset(str(file))),
        lambda: simulate({key: value}),
    ):
        with pytest.raises(ConfigError) as caught:
            refused()
        assert str(caught.value) == message


def test_an_old_option_of_a_strategy_is_refused_with_the_new_one():
    with pytest.raises(ConfigError, match=r"decay-rounds was renamed; set .*schedule-rounds$"):
        make_strategy("server-adam", "learning-rate = 0.01, decay-rounds = 5")
