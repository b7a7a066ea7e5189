"""A run folder that names code: nothing is imported unless the user trusts the folder."""

import json
import sys

import pytest

import fedrec
from experiments.api import simulate
from experiments.reproducibility.verify import verify
from experiments.resume import resume
from experiments.settings import resolve
from fedrec.config.keys import flatten, read_config, to_toml
from fedrec.config.trust import check_trust
from fedrec.errors import ConfigError
from fedrec.runs.write import write_about

MODULE = """
from pathlib import Path

Path(__file__).with_name("was-imported").touch()


class Encoder:
    def encode(self, texts):
        return [[1.0, len(text)] for text in texts]


def loss(*_):
    return 0


def metric(ranks, candidates):
    return ranks


def rule(*_):
    return 0
"""
NAMES = {
    "semantics.encoder": "from_a_stranger:Encoder",
    "model.name": "from_a_stranger:Encoder",
    "model.views": "identity,from_a_stranger:loss",
    "loss.name": "from_a_stranger:loss",
    "strategy.name": "from_a_stranger:Encoder",
    "partition.by": "from_a_stranger:rule",
    "evaluation.metrics": "from_a_stranger:metric",
    "data.source": "from_a_stranger:loss",
}


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A module in the current folder that leaves a file when it is imported."""
    (tmp_path / "from_a_stranger.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "was-imported"
    sys.modules.pop("from_a_stranger", None)


@pytest.fixture
def altered(run_copy, small_config):
    """``altered(key, value)``: a copy of a whole run whose config.toml names something else."""

    def alter(key, value):
        copy = run_copy(small_config({"federation.rounds": 1}))
        about = json.loads((copy / "run.json").read_text())
        del about["files"]  # whoever sends a folder can write its checksums, too
        write_about(copy / "run.json", about)
        config = read_config(flatten(small_keys(copy)) | {key: value})
        (copy / "config.toml").write_text(to_toml(config))
        return copy

    return alter


def small_keys(folder):
    return resolve(str(folder / "config.toml"), ())


DOORS = {
    "open_recommender": lambda folder: fedrec.open_recommender(folder),
    "verify": lambda folder: verify(folder, engine="inline", command="test"),
    "resume": lambda folder: resume(folder, engine="inline", command="test"),
    "run": lambda folder: resolve(str(folder / "config.toml"), ()),
    "simulate": lambda folder: simulate(str(folder / "config.toml"), out=folder / "again"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("key", ["semantics.encoder", "model.name"])
def test_no_door_imports_what_a_folder_names(stranger, altered, key, door):
    folder = altered(key, NAMES[key])
    with pytest.raises(ConfigError, match=rf"names code .* {key} = 'from_a_str.* if you trust"):
        DOORS[door](folder)
    assert not stranger.exists()
    fedrec.load(folder)  # reads the record alone
    assert not stranger.exists()


def test_a_folder_that_is_trusted_is_opened(stranger, altered):
    folder = altered("evaluation.metrics", NAMES["evaluation.metrics"])
    assert resolve(str(folder / "config.toml"), (), trust=True).evaluation.user_metrics
    fedrec.open_recommender(folder, trust=True)


def test_an_encoder_from_the_standard_library_runs_no_title(altered, monkeypatch):
    import subprocess

    folder = altered("semantics.encoder", "subprocess:getoutput")
    monkeypatch.setattr(subprocess, "getoutput", lambda text: pytest.fail(f"ran {text}"))
    with pytest.raises(ConfigError, match="names code that would run with your rights: semantics"):
        fedrec.open_recommender(folder)


@pytest.mark.parametrize("key", NAMES)
def test_every_key_that_takes_code_is_named(tmp_path, key):
    config = read_config({key: NAMES[key]})
    with pytest.raises(ConfigError) as raised:
        check_trust(config, tmp_path, trust=False)
    assert f"{key} = {NAMES[key]!r}" in str(raised.value)
    assert "\n" not in str(raised.value)
    check_trust(config, tmp_path, trust=True)
    check_trust(read_config({}), tmp_path, trust=False)


def test_a_config_of_ones_own_is_not_asked_for(stranger, tmp_path):
    (tmp_path / "mine.toml").write_text('loss.name = "from_a_stranger:loss"\n')
    assert resolve("mine.toml", ()).loss.name == "from_a_stranger:loss"
