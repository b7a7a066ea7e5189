"""What the command refuses, with which exit code."""

import pytest

from tests.experiments.cli.conftest import refused


def test_an_unknown_preset_lists_the_presets(fedrec):
    listed = "ml-100k, ml-1m, ml-1m-cold, ml-1m-hybrid, ml-1m-private, ml-1m-users, synthetic"
    refused(fedrec("run", "ml1m"), 2, "did you mean 'ml-1m'?", listed)


def test_an_unknown_engine_is_refused(fedrec):
    refused(fedrec("run", "synthetic", "--engine", "spark"), 2, "flower, inline", "'spark'")


def test_an_unknown_dataset_to_get_is_refused(fedrec):
    refused(fedrec("data", "get", "ml-2m"), 2, "ml-2m", "ml-1m")


def test_an_unknown_reference_is_refused(fedrec):
    refused(fedrec("baseline", "magic", "synthetic"), 2, "centralised", "'magic'")


def test_a_folder_without_a_run_is_a_data_error(fedrec, tmp_path):
    refused(fedrec("report", tmp_path), 4, "run.json")


def test_unknown_key_exits_2(fedrec):
    refused(fedrec("run", "--set", "local.epoch=3"), 2, "'local.epoch'", "'local.epochs'")


@pytest.mark.parametrize("word", ['"10"', "True", "2.5"])
def test_wrong_type_exits_2(fedrec, word):
    refused(fedrec("run", "--set", f"federation.rounds={word}"), 2, "federation.rounds")


@pytest.mark.parametrize(
    "text",
    [
        "local.learning-rate=nan",
        "local.learning-rate=inf",
        "local.learning-rate=-1",
        "federation.fraction=1.1",
        "federation.rounds=0",
    ],
)
def test_out_of_range_exits_2(fedrec, text):
    refused(fedrec("run", "--set", text), 2, text.partition("=")[0])


def test_contradiction_exits_2(fedrec):
    refused(fedrec("run", "--set", "model.heads=3"), 2, "model.heads", "model.width")


def test_missing_config_file_exits_2(fedrec):
    refused(fedrec("run", "nowhere.toml"), 2, "nowhere.toml")


def test_missing_data_exits_4(fedrec):
    words = ("--engine", "inline", "--set", "data.source=/nowhere/x.zip")
    refused(fedrec("run", *words), 4, "/nowhere/x.zip")


def test_unwritable_run_folder_exits_2(fedrec, tmp_path):
    (tmp_path / "file").write_text("")
    refused(fedrec("run", "--out", tmp_path / "file" / "run"), 2, "--out")


def test_yaml_exits_2(fedrec, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("!!python/object/apply:os.system ['touch owned']")
    refused(fedrec("run", path), 2, "TOML")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "x" * 300, "CON"])
def test_run_name_exits_2_and_makes_nothing(fedrec, tmp_path, name):
    refused(fedrec("run", "--name", name), 2, "run.name")
    assert list(tmp_path.iterdir()) == []


def test_existing_run_exits_2_and_is_kept(fedrec, tmp_path):
    (tmp_path / "run.json").write_text("precious")
    refused(fedrec("run", "--out", tmp_path), 2, "--overwrite")
    assert (tmp_path / "run.json").read_text() == "precious"
