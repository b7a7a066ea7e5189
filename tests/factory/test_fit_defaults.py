"""Defaults follow small data and say so; what the user wrote is refused, all of it at once."""

import json
import logging
import tomllib

import numpy as np
import pandas as pd
import pytest

import fedrec
from fedrec.config.config import Config
from fedrec.config.keys import flat_tables, flatten, read_config
from fedrec.config.sections.loss import Loss
from fedrec.errors import ConfigError
from fedrec.factory.checks import check_fit
from fedrec.factory.data import open_prepared
from fedrec.factory.fit_defaults import fit_defaults, most_ranked
from fedrec.factory.training import make_loss

QUICK = {
    "data.min-item-events": 1,
    "semantics.encoder": "hashed",
    "semantics.width": 8,
    "model.width": 8,
    "model.hidden": 8,
    "model.blocks": 1,
    "model.max-length": 8,
    "federation.rounds": 1,
    "evaluation.resamples": 20,
    "device": "cpu",
}
# 6 users with 6 of 12 items each: 7 are ranked, the target and the 6 that the user lacks.
ROWS = [(f"u{u}", f"i{(2 * u + i) % 12}", i) for u in range(6) for i in range(6)]
WRITTEN = {"loss.negatives": 256, "evaluation.at": "5,10,20", "partition.count": 10}
ADAPTED = {"loss.negatives": 12, "evaluation.at": "5,10", "partition.count": 6}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Settings of small data of the user's own, at whose defaults it would fail three times."""
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path / "home"))
    path = tmp_path / "events.csv"
    frame = pd.DataFrame(ROWS, columns=["user", "item", "time"])
    frame["sex"] = ["m" if user < "u3" else "f" for user in frame["user"]]
    frame["genres"] = [f"g{int(item[1:]) // 4}" for item in frame["item"]]
    frame.to_csv(path, index=False)
    return {**QUICK, "data.source": str(path), "data.attribute-columns": "sex"}


def test_defaults_that_the_data_cannot_meet_follow_them_and_say_so(small, caplog):
    with caplog.at_level(logging.WARNING):
        found = fit_defaults(read_config(small))
    assert {key: flatten(found)[key] for key in ADAPTED} == ADAPTED
    assert list(found.adapted) == [record.getMessage() for record in caplog.records[-3:]]
    assert [line.split(":")[0] for line in found.adapted] == [
        "loss.negatives is 12, not 256",
        "evaluation.at is 5,10, not 5,10,20",
        "partition.count is 6, not 10",
    ]
    check_fit(found)


def test_defaults_that_the_data_meet_stay(small):
    synthetic = {"data.source": "synthetic:users=400,items=600", "data.attribute-columns": ""}
    config = read_config(small | synthetic)
    assert fit_defaults(config) == config
    assert fit_defaults(config).adapted == ()


@pytest.mark.parametrize("key", WRITTEN)
def test_what_the_user_wrote_is_refused_even_where_it_is_the_default(small, key):
    config = fit_defaults(read_config(small | {key: WRITTEN[key]}))
    assert flatten(config)[key] == WRITTEN[key]
    with pytest.raises(ConfigError) as refused:
        check_fit(config)
    assert [problem.split()[0] for problem in refused.value.problems] == [key]


def test_all_that_the_data_cannot_meet_is_told_at_once(small):
    with pytest.raises(ConfigError) as refused:
        check_fit(fit_defaults(read_config(small | WRITTEN)))
    found = {problem.split()[0] for problem in refused.value.problems}
    assert found == set(WRITTEN)


def test_values_of_a_preset_of_ours_follow_the_data_too(small):
    config = fit_defaults(read_config(small | {"loss.negatives": 99}, unwritten={"loss.negatives"}))
    assert config.loss.negatives == 12


@pytest.mark.parametrize(
    ("by", "count"), [("each", 6), ("sex", 2), ("genre", 3), ("uniform", 6), ("taste", 6)]
)
def test_a_rule_fills_as_many_partitions_as_it_can(small, by, count):
    config = fit_defaults(read_config(small | {"partition.by": by}))
    assert config.partition.count == count
    check_fit(config)


def test_each_sets_the_count_where_there_are_more_users_than_partitions(small):
    source = {"data.source": "synthetic:users=23,items=60", "data.attribute-columns": ""}
    config = read_config(small | source | {"partition.by": "each"})
    assert fit_defaults(config).partition.count == 23


def test_a_cohort_of_users_is_no_larger_than_their_number(small):
    users = {"federation.unit": "user", "local.optimizer-state": "reset"}
    config = fit_defaults(read_config(small | users))
    assert config.federation.cohort == 6
    check_fit(config)
    with pytest.raises(ConfigError, match="cohort is 7, but 6 users have two training events"):
        check_fit(fit_defaults(read_config(small | users | {"federation.cohort": 7})))


def ranked_by_hand(sequences, num_items):
    """Of each user in the test: the items that are no others of the history."""
    for user in range(sequences.num_users):
        *before, target = sequences.of(user).tolist()
        yield num_items - len(set(before) - {target})


def test_the_items_ranked_are_counted_with_repeats(small, tmp_path):
    rows = [*ROWS, ("u0", "i0", 7), ("u1", "i2", 8), ("u1", "i9", 9)]  # u0 ends with a repeat
    frame = pd.DataFrame(rows, columns=["user", "item", "time"])
    data = fedrec.Dataset.from_frame(frame, min_item_events=1)
    config = read_config({"evaluation.at": "10,20"})
    assert most_ranked(config, data) == max(ranked_by_hand(data.sequences, 12)) == 7
    sampled = read_config({"evaluation.protocol": "uniform-99", "evaluation.at": "10,101"})
    assert most_ranked(sampled, fedrec.Dataset.load("synthetic")) == 100


def test_a_run_records_what_was_adapted_and_its_config_repeats_it(small, tmp_path, only_figures):
    only_figures("gates")
    run = fedrec.simulate(small, out=tmp_path / "run")
    about = json.loads((run.folder / "run.json").read_text())
    assert len(about["adapted"]) == 3
    assert "loss.negatives is 12, not 256" in (run.folder / "report.html").read_text()
    kept = flat_tables(tomllib.loads((run.folder / "config.toml").read_text()))
    assert {key: kept[key] for key in ADAPTED} == ADAPTED
    again = fedrec.simulate(str(run.folder / "config.toml"), out=tmp_path / "again")
    assert "adapted" not in json.loads((again.folder / "run.json").read_text())
    model = "model.safetensors"
    assert (run.folder / model).read_bytes() == (again.folder / model).read_bytes()


def test_a_config_object_with_defaults_has_written_none_of_them(small, tmp_path, undrawn):
    config = read_config(small)
    same = Config(**{name: getattr(config, name) for name in ("data", "semantics", "model")})
    quick = {key: small[key] for key in ("federation.rounds", "evaluation.resamples", "device")}
    run = fedrec.simulate(same, quick, out=tmp_path / "run")
    assert len(json.loads((run.folder / "run.json").read_text())["adapted"]) == 3


def test_a_client_of_flower_draws_no_more_negatives_than_there_are(small):
    config = read_config(flatten(read_config(small)))  # Flower gives all keys at once
    training = open_prepared(config).full_training
    make_loss(config, training, 12, None)
    with pytest.raises(ConfigError, match=r"loss\.negatives is 200"):
        make_loss(read_config({"loss.negatives": 200}), training, 12, None)
    assert Loss().negatives == 256


def test_an_estimator_follows_small_data_and_refuses_what_was_written(small):
    frame = pd.DataFrame(ROWS, columns=["user", "item", "time"])
    keys = {key: small[key] for key in ("data.min-item-events", "device")}
    hyper = {"width": 8, "hidden": 8, "blocks": 1, "max_length": 8, "epochs": 1}
    fitted = fedrec.SASRec(keys, **hyper).fit(frame)
    assert "HR@20" not in fitted.evaluate().index
    with pytest.raises(ConfigError, match="negatives is 256"):
        fedrec.SASRec(keys, negatives=256, **hyper).fit(frame)


def test_an_evaluation_leaves_default_cut_offs_beyond_the_catalogue_out(small):
    frame = pd.DataFrame(ROWS, columns=["user", "item", "time"])
    data = fedrec.Dataset.from_frame(frame, min_item_events=1)

    def scorer(histories, users):
        return np.zeros((len(histories), 12))

    assert "HR@20" not in fedrec.evaluate(scorer, data).index
    with pytest.raises(ConfigError, match="holds 20, but only 12"):
        fedrec.evaluate(scorer, data, at=(10, 20))
