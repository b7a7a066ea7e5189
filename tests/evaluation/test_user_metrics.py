"""Metrics of the user's own, by "package.module:name"."""

import csv
import json

import numpy as np
import pytest

import fedrec
from fedrec.config.keys import read_config
from fedrec.config.user_code import client_code, user_code
from fedrec.errors import ConfigError, EvaluationError
from fedrec.evaluation.metrics import per_user, summary
from fedrec.evaluation.slices import by_history_length, slice_metrics
from fedrec.evaluation.user_metrics import load_user_metrics
from fedrec.report.tables import final_table
from fedrec.runs.record import read_run

MODULE = """
import numpy as np

def mean_percentile(ranks, num_candidates):
    return 1 - (ranks - 1) / num_candidates

def first_page(ranks, num_candidates):
    return ranks <= 3

def total(ranks, num_candidates):
    return ranks.sum()

def undefined(ranks, num_candidates):
    return np.where(ranks > 1, ranks, np.nan)

def MRR(ranks, num_candidates):
    return 1 / ranks

def fails(ranks, num_candidates):
    return ranks[99]

number = 3
"""
RANKS = np.array([1.0, 3.5, 10.0])


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "my_metrics.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def test_it_stands_behind_the_metrics_of_fedrec_and_is_averaged_as_they_are():
    metrics = load_user_metrics(["my_metrics:mean_percentile", "my_metrics:first_page"])
    values = per_user(RANKS, 10, (10,), metrics)
    assert list(values) == [*per_user(RANKS, 10, (10,)), "mean_percentile", "first_page"]
    # 1 - 0/10, 1 - 2.5/10, 1 - 9/10
    np.testing.assert_allclose(values["mean_percentile"], [1.0, 0.75, 0.1])
    assert summary(RANKS, 10, (10,), metrics)["first_page"] == pytest.approx(1 / 3)


def test_it_is_told_the_candidates_of_every_user():
    metrics = load_user_metrics(["my_metrics:mean_percentile"])
    values = per_user(RANKS, np.array([10, 20, 10]), (5,), metrics)
    np.testing.assert_allclose(values["mean_percentile"], [1.0, 0.875, 0.1])


def test_slices_have_it_too():
    metrics = load_user_metrics(["my_metrics:first_page"])
    rows = slice_metrics(
        by_history_length(np.array([4, 4, 4])), RANKS, 10, seed=0, at=(5,), user_metrics=metrics
    )
    assert rows[0]["metrics"]["first_page"]["value"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("total", r"must return a number for each of 3 users, got float64 of shape \(\)"),
        ("fails", "failed on the ranks of 3 users: IndexError: index 99 is out of bounds"),
        ("undefined", "must return finite numbers, got nan for rank 1 of 10 candidates"),
    ],
)
def test_what_is_no_value_for_every_user_is_refused_in_one_line(name, message):
    metrics = load_user_metrics([f"my_metrics:{name}"])
    with pytest.raises(EvaluationError, match=message):
        per_user(RANKS, 10, (5,), metrics)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["my_metrics:MRR"], "names 'MRR' twice, or as one of fedrec's own metrics"),
        (["my_metrics:total", "my_metrics:total"], "names 'total' twice"),
        (["my_metrics:number"], "must name a callable, got int"),
        (["no_such_module:total"], "cannot be imported: No module named 'no_such_module'"),
    ],
)
def test_what_is_no_metric_is_refused_before_anything_is_ranked(names, message):
    with pytest.raises(ConfigError, match=message):
        load_user_metrics(names)


def test_a_word_that_is_no_import_string_is_refused_by_the_config():
    with pytest.raises(ConfigError, match=r"evaluation.metrics must be \"package.module:name\""):
        read_config({"evaluation.metrics": "first_page"})


def test_a_run_reports_it_with_an_interval_wherever_metrics_stand(run_inline, small_config):
    names = "my_metrics:mean_percentile, my_metrics:first_page"
    config = small_config({"evaluation.metrics": names, "federation.rounds": 1})
    assert list(user_code(config)) == ["my_metrics.py"]
    assert client_code(config) == {}  # ranks are summed up on the server alone
    folder = run_inline(config)
    metrics = json.loads((folder / "metrics.json").read_text())
    with (folder / "users.csv").open() as file:
        rows = list(csv.DictReader(file))
    ranks = np.array([float(row["rank"]) for row in rows])
    for name in ("AUC", "first_page", "mean_percentile"):
        mean = np.mean([float(row[name]) for row in rows])
        assert mean == pytest.approx(metrics["test"][name]["value"], abs=1e-12)
    compared = fedrec.compare(folder).table.set_index("metric")["value"]
    assert compared["first_page"] == pytest.approx(np.mean(ranks <= 3))
    assert "AUC" not in compared
    area = fedrec.compare(folder, metrics=["AUC"]).table["value"]
    assert area.tolist() == pytest.approx([metrics["test"]["AUC"]["value"]], abs=1e-12)
    for of in (metrics, metrics["baselines"]["popularity"]):
        cell = of["test"]["first_page"]
        assert cell["low"] <= cell["value"] <= cell["high"]
    assert metrics["test"]["first_page"]["value"] == pytest.approx(np.mean(ranks <= 3))
    assert all("mean_percentile" in row["metrics"] for row in metrics["clients"])
    assert all("mean_percentile" in r["metrics"] for r in metrics["slices"]["history length"])
    run = read_run(folder)
    assert run.metrics is not None
    assert run.metrics["test"]["mean_percentile"]["value"] > 0
    shown = [str(cell) for cell in final_table(run).columns[0].cells]
    assert {"mean_percentile", "first_page"} <= set(shown)
    assert "first_page" in run.history[-1]["validation"]
