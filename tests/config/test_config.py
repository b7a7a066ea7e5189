"""The run config: defaults, types, ranges, contradictions."""

import dataclasses
import math
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrec.config.config import Config
from fedrec.config.keys import (
    absolute_paths,
    config_hash,
    flat_tables,
    flatten,
    read_config,
    to_toml,
)
from fedrec.config.values.choices import names_in
from fedrec.errors import ConfigError

ROOT = Path(__file__).parents[2]
FLAT = flatten(Config())


def test_pyproject_holds_every_key_with_the_default_of_the_code():
    app = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["flwr"]["app"]
    stated = flat_tables(app["config"])
    assert stated == FLAT
    assert {key: type(value) for key, value in stated.items()} == {
        key: type(value) for key, value in FLAT.items()
    }


def test_no_values_give_the_defaults():
    assert read_config({}) == Config()


def test_a_key_changes_one_field_and_nothing_else():
    config = read_config({"local.batch-size": 7})
    assert config.local.batch_size == 7
    assert flatten(config) == FLAT | {"local.batch-size": 7}


def test_other_keys_come_from_the_base():
    base = read_config({"seed": 3, "model.width": 16})
    assert read_config({"seed": 4}, base) == read_config({"seed": 4, "model.width": 16})


def test_a_whole_number_is_read_as_the_number_it_is():
    rate = read_config({"local.learning-rate": 1}).local.learning_rate
    assert rate == 1.0
    assert isinstance(rate, float)


def test_names_are_separated_by_commas_and_blanks_do_not_count():
    assert names_in(" title, genres ,,") == ("title", "genres")


def test_nested_tables_become_dotted_keys():
    assert flat_tables({"seed": 1, "a": {"b": {"c": 2}, "d": 3}}) == {
        "seed": 1,
        "a.b.c": 2,
        "a.d": 3,
    }


@given(
    seed=st.integers(0, 2**63 - 1),
    rate=st.floats(1e-9, 1e3),
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
    flag=st.booleans(),
)
def test_written_as_toml_and_read_again_it_is_the_same_config(seed, rate, text, flag):
    config = read_config(
        {"seed": seed, "local.learning-rate": rate, "data.source": text, "semantics.whiten": flag}
    )
    read = tomllib.loads(to_toml(config, with_run=True))
    assert read_config(flat_tables(read)) == config


def test_config_toml_holds_no_key_of_the_run_folder():
    assert "run" not in tomllib.loads(to_toml(Config()))


def test_the_hash_follows_what_is_computed_and_not_where():
    same = read_config(
        {"run.dir": "/x", "run.overwrite": True, "device": "cpu", "federation.round-timeout": 9.0}
    )
    assert config_hash(same) == config_hash(Config())
    assert config_hash(read_config({"seed": 1})) != config_hash(Config())


def test_a_relative_path_that_exists_becomes_absolute_and_a_name_stays(tmp_path):
    (tmp_path / "events.csv").write_text("user,item,time\n")
    config = read_config({"data.source": "events.csv", "data.items": "ml-1m", "run.dir": "out"})
    moved = absolute_paths(config, tmp_path)
    assert moved.data.source == str((tmp_path / "events.csv").resolve())
    assert moved.data.items == "ml-1m"
    assert moved.run.dir == str((tmp_path / "out").resolve())


@pytest.mark.parametrize("name", ["synthetic", "ml-1m"])
def test_a_folder_that_is_called_like_a_dataset_does_not_take_its_place(tmp_path, name):
    (tmp_path / name).mkdir()
    config = read_config({"data.source": name})
    assert absolute_paths(config, tmp_path) == config


def test_unknown_key_names_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown key 'local\.batchsize'.*'local\.batch-size'"):
        read_config({"local.batchsize": 3})


def test_unknown_key_without_a_near_one_says_where_keys_are_listed():
    with pytest.raises(ConfigError, match="`fedrec keys` lists"):
        read_config({"qqqqqqqq": 3})


WRONG_TYPES = [
    ("federation.rounds", "10", "a whole number, got '10'"),
    ("federation.rounds", True, "a whole number, got True"),
    ("federation.rounds", 2.5, "a whole number, got 2.5"),
    ("local.learning-rate", "0.1", "a number, got '0.1'"),
    ("local.learning-rate", True, "a number, got True"),
    ("semantics.whiten", 1, "true or false, got 1"),
    ("data.source", 5, "a string, got 5"),
    ("data.source", ["a"], "a string"),
]


@pytest.mark.parametrize(("key", "value", "words"), WRONG_TYPES)
def test_wrong_type_says_what_is_meant(key, value, words):
    with pytest.raises(ConfigError) as caught:
        read_config({key: value})
    assert key in str(caught.value)
    assert words in str(caught.value)


@given(
    key=st.sampled_from(sorted(FLAT)),
    value=st.one_of(st.none(), st.lists(st.integers()), st.binary(), st.dates()),
)
def test_what_toml_has_but_no_key_takes_is_refused(key, value):
    with pytest.raises(ConfigError):
        read_config({key: value})


OUT_OF_RANGE = [
    ("local.learning-rate", math.nan),
    ("local.learning-rate", math.inf),
    ("local.learning-rate", -0.1),
    ("local.learning-rate", 0.0),
    ("local.weight-decay", -1.0),
    ("local.clip-norm", math.nan),
    ("partition.alpha", 0.0),
    ("federation.fraction", 1.5),
    ("federation.fraction", 0.0),
    ("federation.fraction", math.nan),
    ("federation.min-participation", 2.0),
    ("federation.rounds", 0),
    ("federation.rounds", -3),
    ("federation.round-timeout", math.inf),
    ("partition.count", 0),
    ("model.dropout", 1.0),
    ("model.dropout", math.nan),
    ("loss.negatives", 0),
    ("seed", -1),
    ("seed", 2**63),
    ("device", "gpu"),
    ("evaluation.protocol", "sampled"),
    ("evaluation.at", "0,10"),
    ("evaluation.at", "ten"),
    ("evaluation.at", "5,20"),
    ("model.views", ""),
    ("model.views", "identity,identity"),
    ("strategy.name", ""),
]


@pytest.mark.parametrize(("key", "value"), OUT_OF_RANGE)
def test_a_value_out_of_range_names_its_key(key, value):
    with pytest.raises(ConfigError, match=key.replace(".", r"\.")):
        read_config({key: value})


USERS = {"federation.unit": "user", "local.optimizer-state": "reset"}
CONTRADICTIONS = [
    ({"model.width": 10, "model.heads": 3}, "model.heads must divide model.width"),
    ({"model.name": "sasrec", "model.private": "gate-bias"}, "needs a gate"),
    ({"model.name": "gru4rec", "model.private": "gate-bias"}, "'gru4rec' has none"),
    ({"model.name": "sasrec", "model.encoder": "gru"}, "model.encoder .* model.name = 'sasrec'"),
    ({"model.name": "sasrec", "model.fusion": "sum"}, "model.fusion .* model.name = 'sasrec'"),
    ({"scenario.history": 1}, "scenario.history must be 0 .* or 2 or more, got 1"),
    ({"model.name": "sasrec", "model.time": "hour"}, "model.time needs model.name = 'hybrid'"),
    ({"model.encoder": "gru", "model.time": "hour"}, "model.time .* model.encoder = 'causal'"),
    ({"model.name": "bert4rec", "model.max-length": 1}, "model.max-length must be 2 or more"),
    ({"model.name": "bert4rec"} | USERS, "model.name must be .*what is hidden .* got 'bert4rec'"),
    ({"model.encoder": "bidirectional"} | USERS, "model.encoder must be 'causal' or 'gru'"),
    ({"model.time": "gap"} | USERS, "model.time must be '' .* got 'gap'"),
    ({"model.name": "sasrec", "model.private": "identity"}, "needs a gate"),
    ({"model.fusion": "item", "model.private": "gate-bias"}, "only model.fusion = 'context' has"),
    ({"model.views": "content", "model.private": "identity"}, "needs ID embeddings"),
]


@pytest.mark.parametrize(("values", "words"), CONTRADICTIONS)
def test_keys_that_contradict_each_other_are_both_named(values, words):
    with pytest.raises(ConfigError, match=words):
        read_config(values)


BAD_NAMES = [
    "../../x",
    "/etc/x",
    "a/b",
    "a\0b",
    "x" * 65,
    "x" * 300,
    "CON",
    "con.txt",
    "nul",
    "..",
    ".",
    "ü",
    "a b",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_run_name_that_is_no_plain_file_name_is_refused(name):
    with pytest.raises(ConfigError, match=r"run\.name"):
        read_config({"run.name": name})


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_plain_names_are_taken_but_for_reserved_ones(name):
    if name.lower() not in ("con", "prn", "aux", "nul") and name[:3].lower() not in ("com", "lpt"):
        assert read_config({"run.name": name}).run.name == name


def test_sections_are_frozen():
    config = Config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 1  # type: ignore[misc]


OF_USERS = {"federation.unit": "user", "local.optimizer-state": "reset"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"federation.cohort": 64},
            "federation.cohort must be 32, its default (federation.fraction says how many "
            "partitions take part) with federation.unit = 'partition', got 64",
        ),
        (
            {"local.group-tokens": 8192},
            "local.group-tokens must be 4096, its default (a partition's batches are "
            "local.batch-size users) with federation.unit = 'partition', got 8192",
        ),
        (
            {"federation.upload": "int8"},
            "federation.upload must be 'float32' with federation.unit = 'partition', got 'int8'",
        ),
        (
            OF_USERS | {"local.batch-size": 4},
            "local.batch-size must be 8, its default (without local.steps, a step is over all of "
            "a user's windows) with federation.unit = 'user', got 4",
        ),
        (
            OF_USERS | {"federation.fraction": 0.5},
            "federation.fraction must be 1 (federation.cohort says how many users take part) with "
            "federation.unit = 'user', got 0.5",
        ),
    ],
)
def test_a_key_that_says_nothing_of_these_clients_is_refused(changes, message):
    with pytest.raises(ConfigError) as caught:
        read_config(changes)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "changes",
    [
        {"local.windows": 0},
        OF_USERS | {"local.batch-size": 4, "local.steps": 2},
        OF_USERS | {"federation.cohort": 64, "local.group-tokens": 8192, "local.windows": 2},
    ],
)
def test_a_key_that_says_something_of_these_clients_is_taken(changes):
    flat = flatten(read_config(changes))
    assert {key: flat[key] for key in changes} == changes
