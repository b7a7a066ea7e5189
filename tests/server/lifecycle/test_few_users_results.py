"""Run folders of clients some of which, or all, keep counts and held-out items to themselves."""

import csv
import json
import signal

import numpy as np
import pytest
from rich.console import Console

from clients.app import app
from experiments.baselines.run import centralised_config, run_baseline
from experiments.cli.terminal import show_table
from experiments.reproducibility.compare import compare
from experiments.reproducibility.verify import verify
from fedrec import protocol
from fedrec.config.keys import read_config
from fedrec.data.splits import training_counts
from fedrec.errors import DataError
from fedrec.factory.data import open_prepared
from fedrec.report.ranks import read_test_ranks
from fedrec.runs.record import read_run
from fedrec.runs.sent import withheld
from tests.server.lifecycle.few_users import DEFAULT, MIN_USERS


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_is_not_told_is_in_no_file_of_the_run(run_inline, mixed):
    config = mixed()
    folder = run_inline(config)
    dataset, assignment = open_prepared(config).dataset, open_prepared(config).assignment
    users = rows(folder / "users.csv")
    assert len(users) == 40
    for row in users:
        user, is_told = int(row["user"]), assignment[int(row["user"])] == 0
        assert row["original_id"] == (dataset.user_ids[user] if is_told else "")
        assert int(row["target"]) == (dataset.sequences.of(user)[-1] if is_told else 0)
    # The census is the sum over those who tell.
    big = dataset.sequences.subset(np.flatnonzero(assignment == 0))
    expected = training_counts(big, dataset.catalog.num_items)[1:]
    assert [int(row["training_events"]) for row in rows(folder / "items.csv")] == expected.tolist()
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["baselines"]["popularity"]["test"]["NDCG@10"]["users"] == 40
    of = {name: sum(row["users"] for row in s) for name, s in metrics["slices"].items()}
    assert of == {"history length": 40, "item popularity": 20, "training events": 20}


def test_where_no_client_tells_it_is_as_if_counts_were_not_shared(
    run_inline, small_config, tmp_path
):
    few = {"federation.rounds": 1}  # 20 users each
    own = run_inline(small_config(few | {MIN_USERS: 21}), tmp_path / "own")
    other = run_inline(small_config(few | {"federation.share-counts": False}), tmp_path / "other")
    for name in ("model.safetensors", "users.csv", "items.csv", "ranks.npz", "metrics.json"):
        assert (own / name).read_bytes() == (other / name).read_bytes()
    sent = [json.loads((one / "run.json").read_text())["sent"] for one in (own, other)]
    assert sent[0]["item_counts"] == sent[1]["item_counts"] == 0
    assert withheld(sent[0]).startswith("no client sent counts per item (federation.share-counts-")
    assert withheld(sent[1]) == ""  # the user wanted it


def test_a_model_that_reads_no_counts_is_the_same_without_them(run_inline, small_config, tmp_path):
    keys = {"model.name": "sasrec", "federation.rounds": 1}
    with_counts = run_inline(small_config(keys), tmp_path / "with")
    without = run_inline(small_config(keys | {MIN_USERS: DEFAULT + 1}), tmp_path / "without")
    weights = [(one / "model.safetensors").read_bytes() for one in (with_counts, without)]
    assert weights[0] == weights[1]
    one, other = np.load(with_counts / "ranks.npz"), np.load(without / "ranks.npz")
    assert set(one.files) - set(other.files) == {"target"}
    for name in other.files:
        np.testing.assert_array_equal(one[name], other[name])


def test_a_run_of_which_some_tell_goes_on_to_the_same_bytes_and_is_verified(
    run_inline, mixed, tmp_path, monkeypatch
):
    monkeypatch.setattr("server.run.write_report", lambda path: None)
    config = mixed({"federation.rounds": 3, "run.checkpoint-every": 1})
    whole, killed = run_inline(config, tmp_path / "whole"), tmp_path / "killed"

    def stop(line):
        if line["round"] == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_inline(config, killed, on_round=stop)
    run_inline(read_config({"run.resume": True}, config), killed)
    about = json.loads((killed / "run.json").read_text())
    assert [one["after"] for one in about["resumed"]] == [2]
    assert about["sent"]["item_counts"] == 1
    for name in ("model.safetensors", "users.csv", "items.csv", "ranks.npz"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes()
    assert verify(killed, engine="inline", command="test") == []


def test_what_was_seen_is_not_compared_where_some_targets_are_unknown(run_inline, mixed, tmp_path):
    one = run_inline(mixed(), tmp_path / "one")
    other = run_inline(mixed({"seed": 0, "federation.rounds": 2}), tmp_path / "other")
    assert compare(one, other)["NDCG@10"]["users"] == 40
    with pytest.raises(DataError, match=r"names the targets of some users only.*--targets all"):
        compare(one, other, "cold")
    ranks = read_test_ranks(read_run(one))
    assert ranks.people.tolist() == [f"user {number}" for number in range(40)]


def test_local_only_names_the_held_out_items_that_a_federation_would(mixed, small_home, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.baselines.local.write_report", lambda path: None)
        folder = run_baseline("local-only", mixed(), tmp_path / "local-only", lambda line: None)
    told = [
        (int(row["target"]) > 0, row["original_id"] != "") for row in rows(folder / "users.csv")
    ]
    partitions = [int(row["partition"]) for row in rows(folder / "users.csv")]
    assert told == [(partition == 0,) * 2 for partition in partitions]


def test_one_place_with_all_data_counts_however_few_its_users_are(mixed, tmp_path):
    alone = centralised_config(mixed(), tmp_path)
    assert alone.federation.shares_counts(1)
    kept = centralised_config(mixed({"federation.share-counts": False}), tmp_path)
    assert not kept.federation.shares_counts(1000)


def test_the_screen_says_what_was_not_sent(run_inline, mixed, capsys):
    show_table(Console(width=120), run_inline(mixed()))
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("counts of 2 of 3 clients, who hold fewer than 20 users, were not sent")


def test_protocols_are_tried_without_counts_and_popularity_is_not_recorded(
    run_inline, own_events, small_config
):
    events = {f"u{user}": ("home", range(user * 11, user * 11 + 12)) for user in range(12)}
    keys = {"federation.rounds": 1, "evaluation.protocol": "full,uniform-99"}
    asked = []

    def client(message, context):
        asked.append(message.content.config_records[protocol.CONFIG].get(protocol.SCORER))
        return app(message, context)

    config = small_config(own_events(events) | keys | {MIN_USERS: DEFAULT})
    metrics = json.loads((run_inline(config, client=client) / "metrics.json").read_text())
    assert metrics["baselines"] == {}
    assert asked[1:3] == ["popularity", "popularity"]  # after the registration
    assert metrics["other_protocols"]["uniform-99"]["test"]["NDCG@10"]["users"] == 12


def test_candidates_are_drawn_by_the_counts_of_those_who_tell(run_inline, own_events, small_config):
    homes = ["big"] * 20 + ["small"]
    events = {f"u{n}": (home, range(n * 11, n * 11 + 12)) for n, home in enumerate(homes)}
    keys = {"federation.rounds": 1, "evaluation.protocol": "full,popularity-100"}
    folder = run_inline(small_config(own_events(events) | keys | {MIN_USERS: DEFAULT}))
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["other_protocols"]["popularity-100"]["test"]["NDCG@10"]["users"] == 21
