"""Users with too few items for a protocol's candidates: left out of it alone, and counted."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

import fedrec
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
    assert [line["validation_users"] for line in run.rounds] == [everybody - 1] * 2
    with (folder / "users.csv").open() as file:
        assert "0" not in [row["original_id"] for row in csv.DictReader(file)]
    with np.load(folder / "ranks.npz") as ranks:
        assert np.isnan(ranks["rank_uniform-99"]).sum() == 1
        assert not np.isnan(ranks["rank_full"]).any()
    shown = results(run)
    assert f"this run, test, {everybody - 1} users" in shown["headers"]
    assert f"this run, test, {everybody} users" in shown["others"][0]["headers"]
