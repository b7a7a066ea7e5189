"""One seed gives one hash on every engine.

``python -m experiments.reproducibility.same_bytes`` runs all pairs.
"""

import os
from functools import cache

import pytest

from experiments.reproducibility.same_bytes import DATASETS, ENGINES, STRATEGIES, run_case, settings

pytestmark = pytest.mark.slow
needs_data = pytest.mark.skipif(
    "FEDREC_DATA" not in os.environ, reason="FEDREC_DATA names no data folder"
)
EACH_DATASET = [
    pytest.param(name, marks=() if name == "synthetic" else needs_data) for name in DATASETS
]
# Real data takes its time: there, the engines and strategies that differ most from the first.
ON_REAL_DATA = ("ray x4", "flower", "server-adam", "server-adam over users")


def pairs_with(names):
    """Each data set with the engines or strategies that are run on it."""
    return [
        pytest.param(*dataset.values, name, marks=dataset.marks)
        for dataset in EACH_DATASET
        for name in names
        if dataset.values == ("synthetic",) or name in ON_REAL_DATA
    ]


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """``left(dataset, strategy, engine)``: what a run left; each is run once."""
    out = tmp_path_factory.mktemp("same-bytes")

    @cache
    def run(dataset, strategy, engine):
        folder = out / f"{dataset}-{strategy}-{engine.replace(' ', '')}"
        return run_case(engine, settings(dataset, strategy), folder, out / "home")

    return run


def assert_same(one, other):
    assert one.lines == other.lines
    assert one.model == other.model
    assert one.weights == other.weights


@pytest.mark.parametrize(
    ("dataset", "engine"), pairs_with([engine for engine in ENGINES if engine != "inline"])
)
def test_every_engine_leaves_the_bytes_of_inline(left, dataset, engine):
    assert_same(left(dataset, "fedavg", engine), left(dataset, "fedavg", "inline"))


@pytest.mark.parametrize(
    ("dataset", "strategy"), pairs_with([name for name in STRATEGIES if name != "fedavg"])
)
def test_every_strategy_leaves_the_same_bytes_on_two_workers(left, dataset, strategy):
    assert_same(left(dataset, strategy, "ray x2"), left(dataset, strategy, "inline"))


@pytest.mark.parametrize("dataset", EACH_DATASET)
def test_what_is_compared_is_not_easy(left, dataset):
    runs = {strategy: left(dataset, strategy, "inline") for strategy in STRATEGIES}
    assert len({run.model for run in runs.values()}) == len(STRATEGIES)
    trained = [line for line in runs["fedavg"].lines if line["round"]]
    count = DATASETS[dataset]["partition.count"]
    assert {len(line["sampled"]) for line in trained} == {(count + 1) // 2}  # half, rounded up
    assert len({tuple(line["sampled"]) for line in trained}) == len(trained)
    gone = [one["reason"] for line in trained for one in line["excluded"]]
    assert gone
    assert all("drop-out" in reason for reason in gone)
    assert sum(line["best"] for line in runs["fedavg"].lines) > 1  # the model is not the first one
