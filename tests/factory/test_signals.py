"""Signals and vectors of files as views and in texts: config, run, record, recommendations."""

import json

import numpy as np
import pytest

import fedrec
from fedrec.config.keys import config_hash, read_config
from fedrec.errors import ConfigError, DataError
from fedrec.factory.checks import check_fit
from fedrec.factory.data import open_prepared
from fedrec.report.sections import inputs
from fedrec.runs.record import load, read_json
from fedrec.semantics.signals import write_signals

HEADER = {"model": "rules", "revision": "rules-1", "date": "2026-11-30", "kinds": ["usage"]}
VIEWS = "identity,signal-usage,vectors-posters"


@pytest.fixture
def files(small_home, small_config, tmp_path):
    """Signals of all items but one, and vectors of all, as settings."""
    catalog = open_prepared(small_config()).dataset.catalog
    texts = {item: {"usage": f"For friends of {item}."} for item in catalog.item_ids[1:]}
    write_signals(tmp_path / "signals.jsonl", HEADER, texts)
    vectors = np.random.default_rng(0).normal(size=(catalog.num_items, 3))
    np.savez(tmp_path / "posters.npz", items=np.array(catalog.item_ids), vectors=vectors)
    return {
        "semantics.signals": str(tmp_path / "signals.jsonl"),
        "semantics.vectors": str(tmp_path / "posters.npz"),
        "federation.rounds": 1,
    }


@pytest.mark.parametrize("unit", ["partition", "user"])
def test_a_run_has_them_as_views_and_records_whose_they_are(files, run_inline, small_config, unit):
    changes = files | {"model.views": VIEWS, "federation.unit": unit}
    if unit == "user":
        changes |= {"federation.cohort": 8, "local.optimizer-state": "reset"}
    folder = run_inline(small_config(changes))
    gates = read_json(folder / "metrics.json")["gates"]
    assert gates["views"] == ["identity", "signal-usage", "vectors-posters"]
    facts = read_json(folder / "run.json")["semantics"]
    assert facts["signals"] | HEADER == facts["signals"]
    assert facts["signals"]["items_without"] == 1
    assert facts["vectors-posters"]["items_without"] == 0
    assert len(facts["views_sha256"]) == 64
    assert ("signals.date", "2026-11-30") in inputs(load(folder))["semantics"]


def test_recommendations_tell_the_signal_and_a_changed_file_is_refused(
    files, run_inline, small_config, tmp_path
):
    views = {"model.views": "identity,semantic,signal-usage", "semantics.vectors": ""}
    folder = run_inline(small_config(files | views))
    ready = fedrec.open_recommender(folder)
    first, second = ready.catalog.item_ids[:2]
    assert ready.signals(first) == {}
    assert ready.signals(second) == {"usage": f"For friends of {second}."}
    weights = ready.item_views(second)
    assert list(weights) == ["identity", "semantic", "signal-usage"]
    assert sum(weights.values()) == pytest.approx(1, abs=1e-6)
    write_signals(tmp_path / "signals.jsonl", HEADER, {second: {"usage": "Something else."}})
    with pytest.raises(DataError, match=r"trained on other views or frozen weights"):
        fedrec.open_recommender(folder)


def test_a_signal_in_the_text_changes_the_table_and_a_new_item_can_have_one(
    files, run_inline, small_config
):
    changes = files | {"semantics.vectors": "", "semantics.fields": "title,signal-usage"}
    plain = open_prepared(small_config({"semantics.fields": "title"}))
    read = open_prepared(small_config(changes))
    assert plain.table.sha256 != read.table.sha256
    folder = run_inline(small_config(changes))
    ready = fedrec.open_recommender(folder)
    longer = ready.with_items(titles=["New"], columns={"signal-usage": ["For friends of i3."]})
    assert longer.signals("new-1") == {"usage": "For friends of i3."}


def test_the_hash_of_a_config_follows_the_content_of_its_files(files, small_config, tmp_path):
    changes = files | {"model.views": VIEWS}
    before = config_hash(small_config(changes))
    moved = tmp_path / "elsewhere.jsonl"
    moved.write_bytes((tmp_path / "signals.jsonl").read_bytes())
    assert config_hash(small_config(changes | {"semantics.signals": str(moved)})) == before
    write_signals(moved, HEADER, {"i1": {"usage": "Other."}})
    assert config_hash(small_config(changes | {"semantics.signals": str(moved)})) != before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.views": "identity,signal-usage"}, "needs a file of signals in semantics.signals"),
        ({"semantics.fields": "signal-usage"}, "semantics.fields names 'signal-usage', which need"),
        ({"semantics.signals": "f.jsonl"}, "semantics.signals is read by nothing"),
        ({"model.views": "vectors-x"}, "semantics.vectors has no file x.npy, x.npz or x.parquet"),
        ({"semantics.vectors": "x.npy"}, "read by nothing: name 'vectors-x' in model.views"),
        ({"semantics.vectors": "x.csv"}, "files that end in .npy, .npz, .parquet, got 'x.csv'"),
        ({"semantics.vectors": ","}, "semantics.vectors must name files, got ','"),
        ({"semantics.vectors": "a b.npy"}, "letters, digits, - and _"),
        ({"semantics.vectors": "x.npy,d/x.npz"}, "each file once, got 'x' again"),
        ({"semantics.signals-control": "shuffled"}, "'none' without semantics.signals"),
        ({"semantics.signals-control": "other"}, "must be one of none, shuffled, generic, title"),
        ({"model.views": "identity,signals"}, "did you mean 'signals-mean'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        read_config(changes)


def test_a_kind_that_the_file_lacks_is_refused_before_the_run(files, small_config):
    changes = files | {"semantics.vectors": "", "model.views": "identity,signal-theme"}
    with pytest.raises(ConfigError, match=r"has no such signal; it has signal-usage"):
        check_fit(small_config(changes))
    fields = {"semantics.fields": "title,signal-theme", "semantics.vectors": ""}
    with pytest.raises(ConfigError, match="'signal-theme', which the catalogue does not have"):
        check_fit(small_config(files | fields))


def test_a_damaged_file_of_signals_is_refused_before_the_run(files, small_config, tmp_path):
    path = tmp_path / "signals.jsonl"
    path.write_text(path.read_text() + json.dumps({"item": "i9", "usage": "Added."}) + "\n")
    with pytest.raises(DataError, match="its lines have another hash"):
        check_fit(small_config(files | {"model.views": VIEWS}))
