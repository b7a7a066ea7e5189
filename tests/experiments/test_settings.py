"""From words on the command line to a config."""

import re

import pytest
import typer

from experiments.cli.terminal import ending
from experiments.presets import about_preset, preset_names, read_preset
from experiments.settings import parse_sets, resolve
from fedrec.errors import ConfigError
from fedrec.factory.run_folder import run_path
from fedrec.runs.directory import check_room


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("seed=7", "seed", 7),
        ("local.learning-rate=1e-3", "local.learning-rate", 1e-3),
        ("semantics.whiten=false", "semantics.whiten", False),
        ("data.source=../x.zip", "data.source", "../x.zip"),
        ('data.source="a b"', "data.source", "a b"),
        ("run.name=2024", "run.name", "2024"),  # a string key needs no quotes
        ("evaluation.at=5,10", "evaluation.at", "5,10"),
        ("strategy.options=proximal-mu = 0.01", "strategy.options", "proximal-mu = 0.01"),
        ("federation.rounds='10'", "federation.rounds", "10"),  # quoted: a string, refused later
        ("federation.rounds=True", "federation.rounds", "True"),
        ("seed=1\nrun.name = 'x'", "seed", "1\nrun.name = 'x'"),
    ],
)
def test_a_value_is_toml_and_a_bare_word_is_a_string(text, key, value):
    assert parse_sets([text]) == {key: value}
    assert type(parse_sets([text])[key]) is type(value)


@pytest.mark.parametrize("text", ["seed", "=3", ""])
def test_a_set_without_key_or_equals_is_refused(text):
    with pytest.raises(ConfigError, match="takes key=value"):
        parse_sets([text])


def test_the_later_wins_preset_then_file_then_set_then_option(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("seed = 1\n[federation]\nrounds = 3\n[partition]\ncount = 4\n")
    config = resolve(str(file), ["federation.rounds=5", "seed=2"], {"seed": 9, "run.dir": None})
    assert (config.seed, config.federation.rounds, config.partition.count) == (9, 5, 4)


def test_flat_and_nested_toml_say_the_same(tmp_path):
    flat, nested = tmp_path / "flat.toml", tmp_path / "nested.toml"
    flat.write_text('"local.epochs" = 2\nmodel.width = 32\n')
    nested.write_text("[local]\nepochs = 2\n[model]\nwidth = 32\n")
    assert resolve(str(flat), ()) == resolve(str(nested), ())


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_a_config_and_says_what_it_is_for(name):
    source = {
        "beauty": "amazon-beauty-2014",
        "beauty-users": "amazon-beauty-2014",
        "lamar-beauty": "amazon-beauty-2014",
        "dualrec": "ml-1m",
        "gsasrec": "ml-1m",
        "domains": "amazon-beauty-2014 + amazon-office-2018",
    }.get(name, re.sub("^dualrec-|^lora-|-(users|private|cold|hybrid)$", "", name))
    assert resolve(name, ()).data.source == source
    assert len(about_preset(name)) > 20


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_says_whether_users_who_are_clients_share_counts(name):
    plan = resolve(name, ()).federation
    assert (plan.why_no_counts() == "") is (name != "ml-1m-private")


def test_the_presets_of_the_project_are_there():
    assert {"synthetic", "ml-100k", "ml-1m", "ml-1m-private", "ml-1m-users"} <= set(preset_names())


def test_an_unknown_preset_names_the_nearest_and_all():
    listed = "ml-100k, ml-1m, ml-1m-cold, ml-1m-hybrid, ml-1m-private, ml-1m-users, synthetic"
    with pytest.raises(ConfigError, match=rf"did you mean 'ml-1m'\?.*{listed}"):
        read_preset("ml1m")


def test_a_missing_config_file_is_named():
    with pytest.raises(ConfigError, match=r"nowhere/x\.toml: No such file"):
        read_preset("nowhere/x.toml")


def test_broken_toml_names_file_and_line(tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("seed = 1\nseed = 2\n")
    with pytest.raises(ConfigError, match=r"bad\.toml is no TOML: .*line 2"):
        read_preset(str(file))


def test_latin1_config_names_the_byte(tmp_path):
    file = tmp_path / "bad.toml"
    file.write_bytes(b'data.source = "\xe9"')
    with pytest.raises(ConfigError, match="byte 15 is no UTF-8"):
        read_preset(str(file))


def test_yaml_is_refused_before_it_is_read():
    with pytest.raises(ConfigError, match="a run config is a TOML file"):
        read_preset("evil.yaml")


def test_a_named_run_goes_under_the_home_of_fedrec(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path))
    assert run_path(resolve(None, ["run.name=a"])) == tmp_path / "runs" / "a"


def test_a_run_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file/run: .*; choose another with --out"):
        check_room(tmp_path / "file" / "run", overwrite=False)


def test_an_existing_run_is_kept_unless_overwriting(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"is not empty.*--overwrite"):
        check_room(tmp_path, overwrite=False)
    check_room(tmp_path, overwrite=True)


def test_overwrite_spares_a_folder_that_is_no_run(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="no run folder"):
        check_room(tmp_path, overwrite=True)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_resolves_and_its_central_form_differs_in_local_training_only(name):
    federated, centralised = resolve(name, []), resolve(name, [], centralised=True)
    assert centralised.local != federated.local
    for section in ("data", "partition", "semantics", "model", "loss", "evaluation"):
        assert getattr(centralised, section) == getattr(federated, section)


def test_each_problem_of_a_config_is_a_line_of_its_own(capsys):
    with pytest.raises(typer.Exit) as ended, ending():
        resolve(None, ["local.epochs=0", "seed=-1"])
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: local.epochs must be a whole number of 1 or more, got 0",
        "error: seed must be a whole number from 0 to 2^63 - 1, got -1",
    ]
