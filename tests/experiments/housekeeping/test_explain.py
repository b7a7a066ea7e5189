"""fedrec config explain, and what a shell completes."""

import pytest
from typer.testing import CliRunner

from experiments.cli.main import app
from experiments.housekeeping.explain import config_keys
from fedrec.config.config import Config
from fedrec.config.keys import flatten
from tests.experiments.cli.conftest import refused


def words(result) -> str:
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def test_a_key_is_explained(fedrec):
    shown = words(fedrec("config", "explain", "federation.upload"))
    assert "type text" in shown
    assert 'default "float32"' in shown
    assert "allowed one of float32, float16, int8" in shown
    assert "to set it --set federation.upload=float32" in shown
    assert 'ml-1m-users "int8"' in shown
    assert "allowed a finite number above 0" in words(
        fedrec("config", "explain", "local.learning-rate")
    )


def test_a_section_lists_its_keys(fedrec):
    shown = words(fedrec("config", "explain", "loss"))
    assert [key for key in flatten(Config()) if key.startswith("loss.") and key not in shown] == []


def test_every_key_has_a_meaning_and_the_default_of_the_config():
    keys = list(config_keys())
    assert {key.name: key.default for key in keys} == flatten(Config())
    assert [key.name for key in keys if not key.meaning.endswith(".")] == []


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("local.learning-rat", "local.learning-rate"),
        ("learning_rate", "local.learning-rate"),
        ("dropout", "model.dropout, lora.dropout"),
    ],
)
def test_a_typo_gets_names_that_are_near(fedrec, typed, near):
    result = fedrec("config", "explain", typed)
    refused(result, 2, "unknown key", "did you mean")
    assert set(near.split(", ")) <= set(result.stderr.replace("?", ",").replace(",", " ").split())


def test_a_renamed_key_is_told_its_name(fedrec):
    refused(fedrec("config", "explain", "model.mix"), 2, "was renamed to model.fusion")


def completed(line: str) -> list[str]:
    """What bash offers at the end of a line."""
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    env = {"_FEDREC_COMPLETE": "complete_bash", **asked}
    return CliRunner().invoke(app, [], prog_name="fedrec", env=env).stdout.split()


def test_a_shell_completes_commands_presets_keys_and_runs(fedrec, make_run):
    make_run("home/runs/first", rounds=0, users=4)
    assert completed("fedrec con") == ["config"]
    assert completed("fedrec run syn") == ["synthetic"]
    assert completed("fedrec run synthetic --set federation.up") == ["federation.upload="]
    assert completed("fedrec report fi") == ["first"]
