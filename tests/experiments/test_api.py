"""The Python door: simulate, load, Dataset."""

import sys

import numpy as np
import pandas as pd
import pytest

import fedrec
from fedrec.errors import ConfigError, DataError, ResourceError
from tests.experiments.small_runs import SMALL


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch, undrawn):
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path / "home"))


@pytest.fixture
def events():
    """30 users with 8 events each among 40 items that have titles."""
    rng = np.random.default_rng(0)
    items = rng.integers(0, 40, 240)
    return pd.DataFrame(
        {
            "user": np.repeat(np.arange(30), 8),
            "item": items,
            "time": np.arange(240),
            "title": [f"story {item % 7} of {item}" for item in items],
        }
    )


def test_a_run_is_returned_and_can_be_loaded_by_its_name(tmp_path):
    seen = []
    run = fedrec.simulate(SMALL, {"run.name": "one"}, seed=5, on_round=seen.append)
    assert run.status == "done"
    assert run.about["seed"] == 5
    assert [record["round"] for record in seen] == [0, 1]
    assert fedrec.load("one").metrics == run.metrics == fedrec.load(run.folder).metrics


def test_a_frame_and_the_dataset_made_of_it_give_the_same_run(tmp_path, events):
    stored = fedrec.Dataset.from_frame(events, home=tmp_path / "home")
    runs = [
        fedrec.simulate(SMALL, data=data, out=tmp_path / name)
        for name, data in (
            ("frame", events),
            ("memory", fedrec.Dataset.from_frame(events)),
            ("stored", stored),
        )
    ]
    assert len({run.about["data"]["hash"] for run in runs}) == 1
    assert runs[0].metrics == runs[1].metrics == runs[2].metrics


def test_data_of_another_kind_is_refused():
    with pytest.raises(DataError, match="a Dataset or a DataFrame, got list"):
        fedrec.simulate(SMALL, data=[1, 2])


def test_a_wrong_key_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(ConfigError, match=r"federation\.rounds"):
        fedrec.simulate({"federation.round": 1})
    assert not (tmp_path / "home").exists()


def test_an_experiments_package_that_is_not_ours_is_refused(tmp_path, monkeypatch):
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "__init__.py").write_text("")
    for name in [name for name in sys.modules if name.partition(".")[0] == "experiments"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ResourceError, match="rename yours"):
        fedrec.simulate(SMALL)


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing"):
        _ = fedrec.nothing


def test_a_run_goes_on_to_more_rounds_as_if_it_had_had_them():
    reset = {"local.optimizer-state": "reset"}
    fedrec.simulate(SMALL, reset | {"run.name": "one"})
    seen = []
    run = fedrec.resume("one", rounds=2, on_round=seen.append)
    assert [record["round"] for record in seen] == [2]
    whole = fedrec.simulate(SMALL, reset | {"run.name": "two", "federation.rounds": 2})
    assert run.metrics == whole.metrics
    with pytest.raises(ConfigError, match="has done 2 rounds; --rounds 2 must be more"):
        fedrec.resume(run.folder, rounds=2)


def test_a_run_starts_from_the_weights_of_an_estimator(tmp_path, events):
    keys = {key: value for key, value in SMALL.items() if key != "data.source"}
    fitted = fedrec.Hybrid(
        width=8, hidden=8, max_length=8, negatives=8, epochs=1,
        semantics_encoder="hashed", semantics_width=8,
    ).fit(events)  # fmt: skip
    fitted.save(tmp_path / "fitted")
    start = {"run.start-from": str(tmp_path / "fitted")}
    run = fedrec.simulate(keys, start, data=events, out=tmp_path / "run")
    found = fitted.evaluate(stage="validation")
    assert run.history[0]["validation"]["NDCG@10"] == pytest.approx(found.loc["NDCG@10", "value"])
    other = events.assign(item=events["item"] + 1)
    with pytest.raises(DataError, match="was trained on other items"):
        fedrec.simulate(keys, start, data=other, out=tmp_path / "other")
