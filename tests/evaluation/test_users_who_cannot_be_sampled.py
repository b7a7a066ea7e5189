"""Users with too few items for a protocol's candidates: left out of it alone, and counted."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

import fedrec
from fedrec.errors import ConfigError
from fedrec.report.sections import results
from fedrec.runs.record import read_run

ITEMS, USERS = 112, 8


@pytest.fixture
def events():
    """User 0 has had 20 of the 112 items or more, the others 9 at most."""
    rng = np.random.default_rng(0)
    rows = [(user, item) for user in range(USERS) for item in rng.permutation(ITEMS)[:6]]
    rows += [(0, item) for item in range(ITEMS - 1, ITEMS - 21, -1)]
    rows += [(100 + item % 37, item) for item in range(ITEMS)]  # so that every item is there
    frame = pd.DataFrame(rows, columns=["user", "item"]).drop_duplicates().astype(str)
    return frame.assign(time=np.arange(len(frame)))


def test_evaluate_says_of_how_many_users_each_metric_is(events):
    dataset = fedrec.Dataset.from_frame(events, min_item_events=1)

    def by_number(histories):
        return np.tile(np.arange(dataset.catalog.num_items), (len(histories), 1))

    everybody = dataset.sequences.num_users
    full = fedrec.evaluate(by_number, dataset, resamples=5)
    sampled = fedrec.evaluate(by_number, dataset, "uniform-99", resamples=5)
    assert set(full["users"]) == {everybody}
    assert set(sampled["users"]) == {everybody - 1}


def test_a_run_leaves_them_out_of_that_protocol_alone(events, run_inline, small_config, tmp_path):
    events.to_csv(tmp_path / "events.csv", index=False)
    config = small_config(
        {
            "data.source": str(tmp_path / "events.csv"),
            "data.min-item-events": 1,
            "evaluation.protocol": "uniform-99,full",
            "federation.rounds": 1,
        }
    )
    folder = run_inline(config)
    metrics = json.loads((folder / "metrics.json").read_text())
    (everybody,) = {each["users"] for each in metrics["other_protocols"]["full"]["test"].values()}
    for of in (metrics, metrics["baselines"]["popularity"]):
        assert {each["users"] for each in of["test"].values()} == {everybody - 1}
    run = read_run(folder)
    assert run.status == "done"
    assert [line["validation_users"] for line in run.history] == [everybody - 1] * 2
    with (folder / "users.csv").open() as file:
        assert "0" not in [row["original_id"] for row in csv.DictReader(file)]
    with np.load(folder / "ranks.npz") as ranks:
        assert np.isnan(ranks["rank_uniform-99"]).sum() == 1
        assert not np.isnan(ranks["rank_full"]).any()
    shown = results(run)
    assert f"this run, test, {everybody - 1} users" in shown["headers"]
    assert f"this run, test, {everybody} users" in shown["others"][0]["headers"]


@pytest.mark.parametrize("protocol", ["full,uniform-99", "uniform-99"])
def test_a_protocol_that_ranks_nobody_ends_the_run_before_its_rounds(
    protocol, run_inline, small_config
):
    config = small_config(
        {
            "evaluation.protocol": protocol,
            "federation.share-counts": False,
            "data.source": "tests.evaluation.test_users_who_cannot_be_sampled:few_items",
            "data.min-item-events": 1,
        }
    )
    seen = []
    with pytest.raises(ConfigError, match="uniform-99"):
        run_inline(config, on_round=seen.append)
    assert seen == []


def few_items():
    """20 users with 6 events each among 60 items: no 99 others are left for anybody."""
    items = np.concatenate([np.random.default_rng(0).permutation(60) for _ in range(2)])
    return pd.DataFrame({"user": np.repeat(np.arange(20), 6), "item": items, "time": range(120)})


def test_without_counts_a_protocol_that_ranks_somebody_is_none_the_worse(
    events, run_inline, small_config, tmp_path
):
    events.to_csv(tmp_path / "events.csv", index=False)
    keys = {"federation.share-counts": False, "data.source": str(tmp_path / "events.csv")}
    keys |= {"federation.rounds": 1, "evaluation.protocol": "full,uniform-99"}
    run = read_run(run_inline(small_config(keys | {"data.min-item-events": 1})))
    assert run.status == "done"
    assert run.metrics["baselines"] == {}


def test_the_number_of_users_stands_in_the_log_and_beside_a_run(run_once, small_config):
    folder = run_once(small_config())
    assert "(60 users)" in (folder / "log.txt").read_text()
    assert repr(read_run(folder)).endswith("(60 users)>")
