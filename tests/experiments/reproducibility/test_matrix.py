"""The matrix of settings: what is in it, how some are drawn, and what a difference looks like."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.reproducibility.matrix import __main__ as matrix
from experiments.reproducibility.matrix.jobs import Job, read_jobs, write_jobs
from experiments.reproducibility.matrix.settings import OWN, settings
from fedrec.config.config import Config
from fedrec.config.keys import flatten, read_config
from fedrec.config.values import choices
from fedrec.config.values.choices import names_in
from fedrec.data.partitions.rules import RULES
from fedrec.errors import ConfigError, FedrecError
from server.aggregation.strategies import STRATEGIES

ROOT = Path(__file__).parents[3]
LISTS = {
    "strategy.name": STRATEGIES,
    "partition.by": RULES,
    "model.name": choices.MODELS,
    "model.encoder": choices.ENCODERS,
    "model.fusion": choices.FUSIONS,
    "model.block": choices.BLOCKS,
    "model.positions": choices.POSITIONS,
    "model.views": choices.VIEWS,
    "model.time": choices.TIME_FEATURES,
    "model.private": choices.PRIVATE_PARTS,
    "model.identity-start": choices.IDENTITY_STARTS,
    "loss.name": choices.LOSSES,
    "loss.own-history": choices.OWN_HISTORIES,
    "local.batches": choices.BATCHES,
    "local.optimizer": choices.OPTIMIZERS,
    "local.optimizer-state": choices.OPTIMIZER_STATES,
    "federation.unit": choices.UNITS,
    "federation.sampling": choices.SAMPLINGS,
    "federation.weighting": choices.WEIGHTINGS,
    "federation.row-averaging": choices.ROW_AVERAGINGS,
    "federation.download": choices.DOWNLOAD_TYPES,
    "federation.upload": choices.UPLOAD_TYPES,
}
TAKE_CODE = (
    *("data.source", "partition.by", "semantics.encoder", "model.name", "model.views"),
    *("loss.name", "strategy.name", "evaluation.metrics"),
)


# They need a language model: tests/llm/lora compares its bytes on the engines.
OF_A_LANGUAGE_MODEL = {"lora", "lora-svd"}


def values_of(key):
    default = flatten(Config())[key]
    return {one for keys in settings().values() for one in names_in(keys.get(key, default))}


@pytest.mark.parametrize("key", LISTS)
def test_every_value_of_a_list_is_in_some_setting(key):
    assert set(LISTS[key]) - OF_A_LANGUAGE_MODEL <= values_of(key)


@pytest.mark.parametrize("key", TAKE_CODE)
def test_every_key_that_takes_code_takes_some(key):
    assert any(value.startswith(f"{OWN}:") for value in values_of(key))


def test_there_are_75_settings_or_more_and_the_config_takes_them():
    assert len(settings()) >= 75
    configs = {json.dumps(flatten(read_config(keys))) for keys in settings().values()}
    assert len(configs) == len(settings())


def test_a_sample_is_drawn_by_its_seed():
    first = matrix.chosen([], 12, 1)
    assert first == matrix.chosen([], 12, 1)
    assert len(set(first)) == 12
    assert first != matrix.chosen([], 12, 2)
    assert matrix.chosen(["private"], 0, 0) == [name for name in settings() if "private" in name]
    with pytest.raises(ConfigError, match="no setting has 'poison' or 'x2' in its name"):
        matrix.chosen(["poison", "x2"], 0, 0)


def test_a_batch_makes_what_has_not_ended_and_as_many_partitions_together(tmp_path):
    jobs = [
        Job(tmp_path / name, {"partition.count": count})
        for name, count in (("a", 6), ("b", 2), ("c", 6), ("d", 6))
    ]
    write_jobs(tmp_path, jobs)
    jobs[0].ended.write_text("")
    assert [job.folder.name for job in read_jobs(tmp_path)] == ["b", "c", "d"]


def test_a_difference_is_said_by_file_and_line(run_once, run_copy, small_config, tmp_path):
    config = small_config({"run.checkpoint-every": 2})
    whole, other = run_once(config), run_copy(config)
    assert matrix.differences(whole, other) == []
    assert matrix.digest(whole) == matrix.digest(other)
    weights = max(other.glob("checkpoints/round-*/weights.safetensors"))
    weights.write_bytes(weights.read_bytes() + b" ")
    (other / "items.csv").write_text("item\n")
    lines = (other / "rounds.jsonl").read_text().splitlines()
    last = json.loads(lines[-1]) | {"train_loss": 0.5}
    (other / "rounds.jsonl").write_text("\n".join([*lines[:-1], json.dumps(last)]) + "\n")
    assert matrix.differences(whole, other) == [
        "items.csv: other bytes",
        "rounds.jsonl: train_loss of round 2 differs",
        "the last checkpoint's weights in float64: other bytes",
    ]
    assert matrix.digest(whole) != matrix.digest(other)


def test_a_run_that_failed_ends_the_matrix_with_its_reason(tmp_path):
    job = Job(tmp_path / "run", {})
    job.ended.write_text("ConfigError: no")
    with pytest.raises(FedrecError, match="loss: bce on ray x2 failed: ConfigError: no"):
        matrix._check("ray x2", "loss: bce", job, tmp_path)


@pytest.mark.slow
def test_a_sample_of_settings_has_one_hash_on_every_engine(tmp_path):
    words = ["--sample", "12", "--seed", "56", "--engine", "ray x2", "--engine", "flower"]
    done = subprocess.run(
        [sys.executable, "-m", "experiments.reproducibility.matrix", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 settings on 3 engines: one hash each" in done.stdout
