"""Runs in a scenario: the same targets among the same candidates, with less to learn from."""

import csv
import json

import numpy as np
import pytest
import torch

from experiments.describe import describe
from experiments.reproducibility.compare import compare
from fedrec.data.scenarios import cold_items
from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError
from fedrec.evaluation.leave_one_out import EMPTY_HISTORY, leave_one_out_ranks
from fedrec.evaluation.model_scorer import model_scorer
from fedrec.factory.checks import check_fit
from fedrec.factory.data import open_prepared

COLD = {"scenario.cold-items": 0.2, "run.name": "cold"}


def column(folder, file, name):
    with (folder / file).open(newline="") as opened:
        return np.array([float(row[name]) for row in csv.DictReader(opened)])


def test_cold_items_are_ranked_but_never_counted(run_inline, small_config):
    cold_run, plain = run_inline(small_config(COLD)), run_inline(small_config())
    counts = column(cold_run, "items.csv", "training_events")
    cold = cold_items(0.2, seed=0, num_items=len(counts))[1:]
    assert (counts[cold] == 0).all()
    np.testing.assert_array_equal(
        counts[~cold], column(plain, "items.csv", "training_events")[~cold]
    )
    for name in ("target", "partition", "events"):  # user by user the same question
        np.testing.assert_array_equal(
            column(cold_run, "users.csv", name), column(plain, "users.csv", name)
        )
    slices = json.loads((cold_run / "metrics.json").read_text())["slices"]["training events"]
    never = counts[column(cold_run, "users.csv", "target").astype(int) - 1] == 0
    assert slices[0]["slice"] == "cold (0)"
    assert slices[0]["users"] == never.sum() > 0
    # 60 items without the history: a random order finds more than 10 of 60
    assert 1 / 6 < slices[0]["chance"]["HR@10"] < 0.5

    warm = compare(cold_run, plain, "warm")["NDCG@10"]
    gain = column(cold_run, "users.csv", "NDCG@10") - column(plain, "users.csv", "NDCG@10")
    assert warm["users"] + never.sum() <= 60
    events = counts[column(cold_run, "users.csv", "target").astype(int) - 1]
    assert warm["difference"]["value"] == pytest.approx(gain[events > 5].mean())
    seen = compare(cold_run, plain, "seen")["NDCG@10"]
    assert seen["users"] == 60 - never.sum()
    assert seen["difference"]["value"] == pytest.approx(gain[events > 0].mean())
    first = column(cold_run, "users.csv", "partition") == 0
    silo = compare(cold_run, plain, "seen", 0)["NDCG@10"]
    assert silo["users"] == (first & (events > 0)).sum()
    assert silo["difference"]["value"] == pytest.approx(gain[first & (events > 0)].mean())
    with pytest.raises(ConfigError, match=r"--partition 3 is none of the partitions of .*, 0 to 2"):
        compare(cold_run, plain, partition=3)
    with pytest.raises(ConfigError, match="popularity is counted in what is seen"):
        check_fit(small_config(COLD | {"evaluation.protocol": "full,popularity-100"}))
    with pytest.raises(ConfigError, match="--targets must be one of all, seen, cold, few-shot"):
        compare(cold_run, plain, "lukewarm")


def test_a_run_on_almost_nothing_still_ranks_everybody(run_inline, small_config):
    """With 9 of 10 items cold some users have nothing to be read, and few train."""
    changes = {"scenario.cold-items": 0.9, "partition.count": 1, "loss.name": "softmax"}
    config = small_config(changes)
    folder = run_inline(config)
    prepared = open_prepared(config)
    before = prepared.view.before_test
    assert (before.lengths() == 0).any()
    assert np.isfinite(column(folder, "users.csv", "rank")).all()
    assert len(column(folder, "users.csv", "rank")) == prepared.dataset.sequences.num_users


def test_users_as_clients_train_on_what_they_see(run_inline, small_config):
    changes = {
        "scenario.cold-items": 0.2,
        "scenario.history": 3,
        "federation.unit": "user",
        "federation.cohort": 5,
        "local.optimizer-state": "reset",
    }
    config = small_config(changes)
    folder = run_inline(config)
    parts = json.loads((folder / "run.json").read_text())["partitions"]
    lengths = open_prepared(config).view.training.lengths()
    assert lengths.max() == 3
    assert sum(part["targets"] for part in parts) == np.maximum(lengths - 1, 0).sum()


def test_without_a_scenario_nothing_is_copied(small_home, small_config):
    prepared = open_prepared(small_config({"scenario.few-shot-events": 2}))
    seen = prepared.view
    assert seen.training is prepared.full_training
    assert seen.before("test") is seen.before("validation") is None


def test_describe_tells_what_a_scenario_hides(small_home, small_config):
    config = small_config({"scenario.keep": 0.5, "scenario.cold-items": 0.2})
    lines = [line for line in describe(config) if isinstance(line, str)]
    hidden = next(line for line in lines if line.startswith("scenario: "))
    whole = open_prepared(config).full_training
    seen = open_prepared(config).view.training.num_events
    assert f"{seen:,} of {whole.num_events:,} training events" in hidden
    plain = [line for line in describe(small_config()) if isinstance(line, str)]
    assert not any(line.startswith("scenario") for line in plain)


@pytest.mark.parametrize("name", ["hybrid", "sasrec"])
def test_who_has_nothing_to_be_read_gets_finite_scores(make_tiny, name):
    model = make_tiny(name=name)
    scored = model_scorer(model, 40, 10)([EMPTY_HISTORY, np.array([3, 7])])
    assert np.isfinite(scored.scores).all()
    assert np.ptp(scored.scores[0]) > 0


def test_hours_tell_nothing_of_when_the_question_is_asked(make_tiny):
    """Not even of those who have nothing to be read: their padding has a time, too."""
    model = make_tiny(time="hour,gap")
    with torch.no_grad():
        model.encoder.hours.normal_()
    nothing = Sequences(np.zeros(0, np.int32), np.zeros(2, np.int64), np.zeros(0, np.int64))
    ranks = []
    for hour in range(0, 24, 3):
        times = np.array([0, 60, 120, hour * 3600]) + 10**6
        whole = Sequences(np.array([3, 7, 5, 9], np.int32), np.array([0, 4]), times)
        found = leave_one_out_ranks(
            model_scorer(model, 40, 10),
            whole,
            np.array([0]),
            **{"stage": "test", "protocols": ["full"], "num_items": 40, "counts": None, "seed": 0},
            inputs=nothing,
            with_times=True,
        )
        ranks.append(found.ranks["full"][0])
    assert len(set(ranks)) == 1


@pytest.mark.slow
def test_only_who_reads_meanings_finds_cold_items(run_inline, small_config):
    changes = {
        **{"data.source": "synthetic:users=300,items=150", "scenario.cold-items": 0.2},
        **{"semantics.width": 32, "model.width": 16, "model.hidden": 32, "model.blocks": 1},
        **{"model.max-length": 50, "partition.count": 1, "federation.rounds": 6},
        **{"federation.evaluate-every": 6, "local.learning-rate": 0.01, "loss.name": "softmax"},
        "evaluation.resamples": 200,
    }
    found = {}
    for name in ("hybrid", "sasrec"):
        folder = run_inline(small_config(changes | {"model.name": name, "run.name": name}))
        metrics = json.loads((folder / "metrics.json").read_text())
        found[name] = metrics["slices"]["training events"]
    cold, identities = found["hybrid"][0], found["sasrec"][0]
    assert cold["slice"] == identities["slice"] == "cold (0)"
    assert cold["metrics"]["HR@10"]["low"] > 2 * cold["chance"]["HR@10"]
    # A row that was never trained is small, in the middle of all scores: no better than chance.
    assert identities["metrics"]["HR@10"]["low"] <= identities["chance"]["HR@10"]
    warm = [rows[-1]["metrics"]["HR@10"]["value"] for rows in found.values()]
    assert min(warm) > 0.6
