"""Figures beyond the ranks, in a run: every position of unseen users, genres of the first item."""

import json

import numpy as np
import pytest

from clients.baselines import plain_scorer
from clients.local_data import open_local_data, training_events
from experiments.baselines.run import baseline_config, run_baseline
from fedrec.data.evaluated import evaluated_users
from fedrec.errors import ConfigError
from fedrec.evaluation.further.positions import position_sums
from fedrec.evaluation.metrics import GENRE_JACCARD
from fedrec.factory.checks import check_fit

POSITIONS = {"scenario.unseen-users": 0.2, "evaluation.positions-from": 4}


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_a_run_has_the_figures_of_every_position_of_its_unseen_users(
    small_home, small_config, tmp_path, undrawn
):
    config = small_config(POSITIONS)
    folder = run_baseline("markov", config, tmp_path / "markov", lambda line: None)
    found = metrics_of(folder)["every_position"]
    assert found["from"] == 4
    data = open_local_data(baseline_config("markov", config, tmp_path), 0)
    scorer = plain_scorer("markov", data, training_events(data))
    sequences, num_items = data.dataset.sequences, data.dataset.catalog.num_items
    for stage in ("validation", "test"):
        users = np.flatnonzero(evaluated_users(60, stage, seed=0, unseen=0.2))
        sums = position_sums(scorer, sequences, users, first=4, num_items=num_items).sum(axis=0)
        assert found[stage]["positions"] == (sequences.lengths()[users] - 4).clip(min=0).sum()
        for way, name in enumerate(("seen kept", "seen left out")):
            value = found[stage][name]["HR@5"]["value"]
            assert value == pytest.approx(sums[way, 2] / sums[way, 0])


def test_partitions_together_have_the_positions_of_one(run_inline, small_config, undrawn):
    changes = {"run.name": "three", "federation.rounds": 1}
    parts = metrics_of(run_inline(small_config(POSITIONS | changes)))["every_position"]
    changes = {"run.name": "one", "federation.rounds": 1, "partition.count": 1}
    whole = metrics_of(run_inline(small_config(POSITIONS | changes)))["every_position"]
    for stage in ("validation", "test"):
        assert parts[stage]["positions"] == whole[stage]["positions"] > 50


def test_genres_stand_beside_the_ranks_of_a_run_and_of_popularity(
    run_inline, small_config, undrawn
):
    changes = {"evaluation.genre-jaccard": True, "evaluation.protocol": "full,candidates-20"}
    found = metrics_of(run_inline(small_config(changes)))
    first, random = GENRE_JACCARD
    assert first not in found["other_protocols"]["candidates-20"]["test"]
    for metrics in (found["test"], found["validation"], found["baselines"]["popularity"]["test"]):
        assert 0 < metrics[first]["value"] < 1
        assert metrics[first]["users"] <= 60
    # The candidates are the same whatever ranks them.
    popular = found["baselines"]["popularity"]["test"]
    assert popular[random] == found["test"][random]
    assert popular[first] != found["test"][first]
    assert first not in metrics_of(run_inline(small_config({"run.name": "plain"})))["test"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluation.positions-from": 4}, r"must be 0 without scenario.unseen-users"),
        (POSITIONS | {"scenario.keep": 0.5}, r"must be 0 where scenario.\* hides more than users"),
        (POSITIONS | {"model.time": "hour"}, r"must be 0 with model.time"),
    ],
)
def test_positions_are_of_users_who_are_read_whole(changes, message, small_config):
    with pytest.raises(ConfigError, match=message):
        small_config(changes)


def test_items_without_genres_have_none_in_common(small_config, tmp_path):
    table = tmp_path / "events.csv"
    rows = [f"u{user},i{item},{item}" for user in range(9) for item in range(1 + user, 25 + user)]
    table.write_text("\n".join(["user,item,time", *rows]))
    config = small_config(
        {"data.source": str(table), "evaluation.genre-jaccard": True}
        | {"evaluation.at": "10", "loss.negatives": 5}
    )
    with pytest.raises(ConfigError, match=r"genre-jaccard must be false: no item .* has a genre"):
        check_fit(config)
