"""Settings that the data cannot meet; scores and splits that would flatter a model."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from fedrec.models.recommender import ItemTable
from fedrec.models.sasrec import SASRec


class SaysTheSame(SASRec):
    """Every item gets the same score."""

    def output_vectors(self, table: ItemTable):
        return super().output_vectors(table) * 0.0


class SaysNaN(SASRec):
    """One item's score is NaN."""

    def output_vectors(self, table: ItemTable):
        vectors = super().output_vectors(table).clone()
        vectors[3] = float("nan")
        return vectors


@pytest.fixture
def own_models(monkeypatch):
    """A module of the user's, to be named as ``model.name``."""
    import sys

    models = SimpleNamespace(SaysTheSame=SaysTheSame, SaysNaN=SaysNaN)
    monkeypatch.setitem(sys.modules, "own_models", models)


def rounds_of(home):
    """The lines of rounds.jsonl of the run."""
    text = (home / "runs" / "small" / "rounds.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("command", ["describe", "run"])
def test_more_partitions_than_users_are_refused(request, refused, csv, events, command):
    ended = request.getfixturevalue(command)(csv(events), "partition.count=31")
    refused(ended, 2, "partition.count is 31", "1 to 30 partitions")


def test_an_old_run_is_not_replaced_by_one_that_is_refused(run, csv, events, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    (old / "run.json").write_text("{}")
    sets = (f"run.dir={old}", "run.overwrite=true", "partition.count=31")
    assert run(csv(events), *sets).code == 2
    assert (old / "run.json").read_text() == "{}"


def test_a_dirichlet_draw_leaves_no_partition_empty(describe, csv, events):
    sets = ("partition.by=taste", "partition.alpha=0.001", "partition.count=12")
    ended = describe(csv(events), *sets)
    assert ended.code == 0, ended.errors
    sizes = [int(users) for users in re.findall(r"│ +\d+ │ +(\d+) │", ended.shown)]
    assert (len(sizes), sum(sizes), min(sizes)) == (12, 30, 1)


@pytest.mark.parametrize("rule", ["taste", "uniform"])
@pytest.mark.parametrize("alpha", ["0", "-1", "nan", "inf"])
def test_alpha_not_above_zero_is_refused(describe, refused, csv, events, alpha, rule):
    ended = describe(csv(events), f"partition.by={rule}", f"partition.alpha={alpha}")
    refused(ended, 2, "partition.alpha must be a finite number above 0")


@pytest.mark.parametrize("rule", ["uniform", "each"])
@pytest.mark.parametrize("count", [0, -1])
def test_a_number_of_partitions_below_one_is_refused(describe, refused, csv, events, count, rule):
    ended = describe(csv(events), f"partition.count={count}", f"partition.by={rule}")
    refused(ended, 2, "partition.count must be a whole number of 1 or more", str(count))


def test_more_partitions_than_groups_are_refused(describe, refused, movielens):
    ended = describe(movielens.folder(), "partition.by=gender", "partition.count=3")
    refused(ended, 2, 'partition.by = "gender" gives 2 groups', "partition.count = 3")


def test_k_larger_than_the_catalogue_is_refused(run, refused, csv, events):
    ended = run(csv(events), "evaluation.at=10,26")
    refused(ended, 2, "evaluation.at holds 26, but only 20 items are ranked")


@pytest.mark.parametrize("at", ["10,0", "10,-5", "ten", "10.5"])
def test_k_not_positive_is_refused(run, refused, csv, events, at):
    refused(run(csv(events), f"evaluation.at={at}"), 2, "evaluation.at must be whole numbers", at)


@pytest.mark.parametrize("protocol", ["uniform-99", "full,uniform-100", "popularity-100"])
def test_more_candidates_than_items_outside_the_history_are_refused(
    run, csv, events, fedrec_home, protocol
):
    ended = run(csv(events), f"evaluation.protocol={protocol}")
    assert ended.code == 2
    assert "negatives, but no user has so many items outside the history" in ended.errors
    # How popular the items are is known by the clients alone.
    folder = fedrec_home / "runs" / "small"
    assert folder.exists() == ("popularity" in protocol)
    assert not (folder / "rounds.jsonl").exists()


def test_they_are_refused_before_training_without_counts_too(run, csv, events, fedrec_home):
    """No baseline is recorded then, which would show it."""
    keys = ("federation.share-counts=false", "evaluation.protocol=full,uniform-100")
    ended = run(csv(events), *keys)
    assert ended.code == 2
    assert "negatives, but no user has so many items outside the history" in ended.errors
    assert not (fedrec_home / "runs" / "small" / "rounds.jsonl").exists()


def test_more_shared_negatives_than_items_are_refused(run, refused, csv, events):
    refused(run(csv(events), "loss.negatives=26"), 2, "loss.negatives is 26", "25 items")


def test_a_user_who_saw_the_whole_catalogue_leaves_no_negative(run, csv, events):
    titles = {line.split(",")[1]: line.split(",")[3:] for line in events[1:]}
    greedy = [",".join(["all", item, str(10**9 + k), *more])
              for k, (item, more) in enumerate([*titles.items(), *titles.items()])]  # fmt: skip
    ended = run(csv([*events, *greedy]), "loss.name=bce", "partition.count=1")
    assert ended.code == 2
    assert "have all 25 items in their training history" in ended.errors


def test_training_never_reads_the_last_two_events(run, csv, events, fedrec_home):
    """Files that differ in every user's last two events train to the same bytes."""
    items = [f"i{item},Film {item}" for item in range(25)]
    listed = csv(["item,title", *items], "items.csv")
    plain = [line.split(",")[:3] for line in events]
    others = [list(row) for row in plain]
    for place, row in enumerate(others[1:]):
        if place % 6 >= 4:
            row[1] = f"i{(int(row[1][1:]) + 1) % 25}"
    trained = []
    for name, rows in (("a", plain), ("b", others)):
        sets = (f"data.items={listed}", "data.min-item-events=1", "run.checkpoint-every=1")
        path = csv([",".join(row) for row in rows], f"{name}.csv")
        ended = run(path, *sets, "run.overwrite=true")
        assert ended.code == 0, ended.errors
        checkpoint = fedrec_home / "runs" / "small" / "checkpoints" / "round-00001"
        lines = rounds_of(fedrec_home)
        trained.append((lines, load_file(checkpoint / "weights.safetensors")))
    (first, one), (second, two) = trained
    assert first[1]["train_loss"] == second[1]["train_loss"]
    assert first[0]["validation"] != second[0]["validation"]  # the files do differ
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_equal_scores_give_the_middle_rank(run, own_models, csv, events, fedrec_home):
    ended = run(csv(events), "model.name=own_models:SaysTheSame")
    assert ended.code == 0, ended.errors
    users = pd.read_csv(fedrec_home / "runs" / "small" / "users.csv")
    # 25 items without the 5 of the history: the middle of 20 places.
    assert set(users["rank"]) == {10.5}
    assert set(users["HR@10"]) == {0}


def test_nan_scores_end_the_run(run, own_models, csv, events, fedrec_home):
    ended = run(csv(events), "model.name=own_models:SaysNaN")
    assert ended.code not in (0, None)
    assert ended.errors.count("\n") == 1
    assert "NaN" in ended.errors
    about = json.loads((fedrec_home / "runs" / "small" / "run.json").read_text())
    assert about["status"] == "failed"
    assert "NaN" in about["reason"]


def test_users_with_one_training_event_give_no_nan(run, csv, events, fedrec_home):
    short = [line for place, line in enumerate(events[1:]) if place % 6 < 3 or place % 12 < 6]
    ended = run(csv([events[0], *short]), "data.min-item-events=1")
    assert ended.code == 0, ended.errors
    last = rounds_of(fedrec_home)[-1]
    assert np.isfinite(last["train_loss"])
    assert last["excluded"] == []
    users = pd.read_csv(fedrec_home / "runs" / "small" / "users.csv")
    assert len(users) == 30
    assert np.isfinite(users["rank"]).all()


def test_a_partition_without_anything_to_train_on_is_refused(run, csv, events):
    short = [line for place, line in enumerate(events[1:]) if place % 6 < 3]
    ended = run(csv([events[0], *short]), "data.min-item-events=1")
    assert ended.code == 4
    assert "has two training events; lower partition.count" in ended.errors
