"""Figures of groups and pairs: worked out by hand, refused where they mean nothing."""

import html

import numpy as np
import pytest

import fedrec
from fedrec.errors import ConfigError, DataError
from fedrec.evaluation.further.seeds import RESAMPLES
from fedrec.evaluation.metrics import ndcg
from fedrec.evaluation.paired import paired_difference
from fedrec.evaluation.significance import holm, sign_flip_p
from fedrec.report.comparison.measured import judge


def row(table, **wanted):
    for name, value in wanted.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_means_and_differences_by_hand(write_run):
    # HR@10 of the users: 1 0 1 and 1 1 1, so the mean grows by 1/3. MRR: 1/1 1/20 1/2 on one side.
    found = fedrec.compare(
        write_run("a", [1, 20, 2]), write_run("b", [1, 10, 2], strategy__name="fedadam")
    )
    first = row(found.table, group="strategy.name=fedavg", metric="HR@10")
    assert (first["value"], first["users"], first["seeds"]) == (pytest.approx(2 / 3), 3, 1)
    assert row(found.table, group="strategy.name=fedavg", metric="MRR")["value"] == pytest.approx(
        (1 + 1 / 20 + 1 / 2) / 3
    )
    pair = row(found.pairs, metric="HR@10")
    assert pair["difference"] == pytest.approx(1 / 3)
    assert pair["p_users"] == 1  # one user differs: either sign is as far from 0
    assert (pair["group"], pair["against"]) == ("strategy.name=fedadam", "strategy.name=fedavg")


def test_of_one_seed_the_difference_is_that_of_the_paired_bootstrap(write_run):
    ranks = np.random.default_rng(0).integers(1, 40, size=(2, 30))
    names = ("fedavg", "fedadam")
    runs = [write_run(n, r, strategy__name=n) for n, r in zip(names, ranks, strict=True)]
    pair = row(fedrec.compare(runs).pairs, metric="NDCG@10")
    name = "strategy.name=fedadam - strategy.name=fedavg"
    first, second = ndcg(ranks * 1.0, 10)
    known = paired_difference(second, first, 0, RESAMPLES, name=name)["difference"]
    found = {"value": pair["difference"], "low": pair["low"], "high": pair["high"]}
    assert found == pytest.approx(known, abs=1e-12)


def test_users_count_once_with_the_mean_of_their_seeds(write_run):
    ranks = {("fedavg", 0): [1, 30], ("fedavg", 1): [30, 30]}
    ranks |= {("fedadam", 0): [1, 1], ("fedadam", 1): [30, 1]}
    runs = [write_run(f"{n}{s}", r, s, strategy__name=n) for (n, s), r in ranks.items()]
    found = fedrec.compare(runs)
    assert row(found.table, group="strategy.name=fedavg", metric="HR@10")["value"] == 0.25
    pair = row(found.pairs, metric="HR@10")
    assert (pair["difference"], pair["users"], pair["seeds"]) == (0.5, 2, 2)
    assert pair["p_users"] == sign_flip_p(np.array([0.0, 1.0]), 0, name="x")


def test_a_run_alone_has_the_means_of_its_own_metrics(run_once, small_config):
    run = fedrec.load(run_once(small_config()))
    found = fedrec.compare(run)
    test = run.metrics["test"]
    for metric, value in zip(found.table["metric"], found.table["value"], strict=True):
        assert value == pytest.approx(test[metric]["value"], abs=1e-12)
    assert set(found.table["metric"]) == {n for n in test if n[:3] not in ("AUC", "Rec")}
    assert len(found.pairs) == 0
    assert "nothing to compare it with" in " ".join(found.notes)


def test_holm_is_over_all_pairs_and_metrics(two_groups, write_run):
    runs = [*two_groups(1), write_run("other", list(range(1, 41)), strategy__name="fedavgm")]
    pairs = fedrec.compare(runs).pairs
    assert len(pairs) == 2 * 7
    np.testing.assert_array_equal(pairs["p_holm"], holm(list(pairs["p_users"])))


def test_of_three_seeds_the_p_value_over_seeds_is_corrected(two_groups):
    pairs = fedrec.compare(two_groups(3), metrics=["NDCG@10", "HR@10"]).pairs
    assert set(pairs["metric"]) == {"NDCG@10", "HR@10"}
    np.testing.assert_array_equal(pairs["p_holm"], holm(list(pairs["p_users_and_seeds"])))
    assert set(pairs["verdict"]) == {"better"}


def test_the_group_to_compare_with_can_be_chosen(two_groups):
    runs = two_groups(3)
    found = fedrec.compare(runs, against="fedadam", metrics=["NDCG@10"])
    [statement] = found.statements
    assert statement.startswith("strategy.name=fedavg is worse than strategy.name=fedadam: NDCG@10")
    usual = fedrec.compare(runs, metrics=["NDCG@10"]).pairs.iloc[0]
    pair = found.pairs.iloc[0]
    assert pair["difference"] == pytest.approx(-usual["difference"])
    assert pair["p_users"] == usual["p_users"]


@pytest.mark.parametrize("seeds", [1, 2])
def test_under_three_seeds_nothing_is_called_better(two_groups, seeds, tmp_path):
    found = fedrec.compare(two_groups(seeds))
    assert "weights differ" in set(found.pairs["verdict"])
    assert "says that two sets of weights differ" in " ".join(found.notes)
    folder = found.save(tmp_path / "out").parent
    for name in ("compare.md", "compare.tex", "compare.json", "compare.csv", "compare.html"):
        assert "better" not in (folder / name).read_text()


def test_no_difference_comes_with_the_smallest_one_that_would_be_found(write_run):
    runs = [write_run(n, [1, 20, 3, 4], strategy__name=n) for n in ("fedavg", "fedadam")]
    found = fedrec.compare(runs)
    assert set(found.pairs["verdict"]) == {"no difference found"}
    assert "would have been found in 80 % of such comparisons" in found.statements[0]


def test_seeds_of_one_side_alone_are_left_out_and_named(two_groups, write_run):
    runs = [*two_groups(2), write_run("further", [1] * 40, 7)]
    found = fedrec.compare(runs)
    assert set(found.pairs["seeds"]) == {2}
    assert "over the seeds of both, without 7." in " ".join(found.notes)


def test_generated_data_pairs_the_users_of_each_seed(write_run):
    """Seed 1 makes other people, though they have the same numbers."""
    runs = [
        write_run(f"{name}{seed}", [1 + seed, rank], seed, strategy__name=name,
                  data__source="synthetic", about={"data": {"name": "s", "hash": f"{seed}"}})
        for name, rank in (("fedavg", 20), ("fedadam", 2)) for seed in (0, 1)
    ]  # fmt: skip
    pair = row(fedrec.compare(runs).pairs, metric="HR@10")
    assert (pair["users"], pair["difference"]) == (4, 0.5)


OTHER = {"data": {"name": "own", "hash": "77" * 32, "users": 2, "items": 20}}
UNLIKE = {
    "data": ({"about": OTHER}, r"another data than .*: own \(7777777777777777\), expected own"),
    "protocol": (
        {"evaluation__protocol": "uniform-100"},
        "another evaluation.protocol than .*: uniform-100, expected full",
    ),
    "users": ({"ranks": [1, 2, 3]}, "evaluated other users than .*: 3, expected the same 2"),
    "targets": ({"targets": [1, 9]}, "held out other items than .* for 1 of 2 users"),
    "seeds": ({"seed": 4}, "have no seed in common: 4 and 0; run both with the same seeds"),
}


@pytest.mark.parametrize("what", UNLIKE)
def test_runs_that_cannot_be_paired_are_refused_in_one_line(write_run, what):
    changes, message = UNLIKE[what]
    options = {"ranks": [1, 2], "strategy__name": "fedadam"} | changes
    runs = [write_run("a", [1, 2]), write_run("b", **options)]
    with pytest.raises(ConfigError, match=message) as refusal:
        fedrec.compare(runs)
    assert "\n" not in str(refusal.value)
    assert "--unpaired" in str(refusal.value)
    alone = fedrec.compare(runs, unpaired=True)
    assert len(alone.pairs) == 0
    assert len(set(alone.table["group"])) == 2
    assert "not paired" in " ".join(alone.notes)


def test_targets_that_stay_with_clients_do_not_hinder(write_run):
    runs = [write_run("a", [1, 2], targets=[0, 0]), write_run("b", [1, 2], model__width=32)]
    assert len(fedrec.compare(runs).pairs) == 7


def test_seeds_of_one_config_on_other_data_are_refused(write_run):
    runs = [write_run("a", [1, 2]), write_run("b", [1, 2], 1, about=OTHER)]
    with pytest.raises(ConfigError, match="have one config but other data"):
        fedrec.compare(runs)


def test_an_unknown_metric_and_what_is_no_run_are_refused(write_run, tmp_path):
    with pytest.raises(ConfigError, match=r"--metric NDCG is none .*: NDCG@10, HR@10, HR@5"):
        fedrec.compare(write_run("a", [1]), metrics=["NDCG"])
    with pytest.raises(ConfigError, match="--unpaired compares no pairs; leave out --against"):
        fedrec.compare(write_run("b", [1]), against="b", unpaired=True)
    with pytest.raises(DataError, match=r"run\.json is missing"):
        fedrec.compare(tmp_path / "nothing")


def test_own_metrics_are_compared_where_all_runs_have_them(write_run):
    one = write_run("a", [1, 2], own={"AUC": [1.0, 0.5], "<b>": [0.0, 1.0]})
    two = write_run("b", [1, 2], strategy__name="fedadam", own={"AUC": [0, 0.5], "<b>": [1, 1]})
    found = fedrec.compare(one, two)
    assert row(found.pairs, metric="<b>")["difference"] == pytest.approx(0.5)
    assert "AUC" not in set(found.table["metric"])
    assert "<b>" not in found._repr_html_()
    area = fedrec.compare(one, two, metrics=["AUC"]).pairs
    assert area["difference"].tolist() == [pytest.approx(-0.5)]
    without = write_run("c", [1, 2], strategy__name="fedprox")
    assert "<b>" not in set(fedrec.compare(one, without).table["metric"])
    with pytest.raises(ConfigError, match="--metric AUC is none that all these runs have"):
        fedrec.compare(one, without, metrics=["AUC"])
    with pytest.raises(DataError, match=r"users\.csv: column mine is not all numbers"):
        fedrec.compare(write_run("d", [1, 2], own={"mine": ["x", "y"]}))


def test_fairness_by_hand(write_run):
    # MRR of four users: 1, 1/2, 1, 1/4; clients 0 and 1 hold every second one: 1 and 3/8.
    found = row(fedrec.compare(write_run("a", [1, 2, 1, 4])).fairness, metric="MRR")
    assert found["worst_decile_users"] == 0.25
    assert found["worst_decile_clients"] == 0.375
    assert found["p50_clients"] == pytest.approx((1 + 0.375) / 2)
    # Sorted 1/4 1/2 1 1 with weights -3 -1 1 3, over 4 * 2.75.
    assert found["gini_users"] == pytest.approx((-0.75 - 0.5 + 1 + 3) / 11)


def test_one_client_has_no_spread_over_clients(write_run):
    found = fedrec.compare(write_run("a", [1, 2], partitions=1))
    assert found.fairness["worst_decile_clients"].isna().all()


def test_the_repr_is_one_short_line(two_groups):
    found = fedrec.compare(two_groups(1))
    assert repr(found).startswith("<Comparison of 2 runs in 2 groups: NDCG@10 strategy.name=fedavg")
    assert len(repr(found)) < 150
    card = found._repr_html_()
    assert "Comparison of 2 runs in 2 groups" in card
    assert found.statements[0] in html.unescape(card)
    assert card.count("<table") == 3  # facts, means, pairs


def test_a_difference_of_exactly_the_level_is_none():
    rows = [{"p_users": 0.05, "p_users_and_seeds": None, "seeds": 1, "difference": 1.0}]
    judge(rows)
    assert rows[0]["verdict"] == "no difference found"
