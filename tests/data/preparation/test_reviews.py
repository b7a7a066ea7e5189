"""Texts of reviews in `semantics.fields`: those of training events alone."""

import gzip
import json

import pytest

from fedrec.config.keys import read_config
from fedrec.data.catalog import REVIEWS
from fedrec.data.preparation.reviews import MAX_CHARACTERS
from fedrec.data.preparation.store import open_dataset, prepare
from fedrec.errors import ConfigError, DataError
from fedrec.factory.checks import check_ranking
from fedrec.factory.data import open_prepared
from fedrec.semantics.signals.prompt import item_texts

# user, item, time, headline, text. U1 trains A and B and holds out C (validation) and D (test).
EVENTS = [
    ("U1", "B", 20, "Fine", "B of U1"),
    ("U1", "A", 10, "Good!", "A of <b>U1</b>"),
    ("U1", "C", 30, "", "C of U1, validation"),
    ("U1", "D", 40, "", "D of U1, test"),
    ("U2", "C", 5, "", "C of U2"),
    ("U2", "A", 6, "", ""),
    ("U2", "D", 7, "", "D of U2, validation"),
    ("U2", "B", 8, "", "B of U2, test"),
    ("U3", "A", 1, "", "A of U3, who has two events alone"),
    ("U3", "B", 2, "", "B of U3, who has two events alone"),
]


def write(folder, layout="amazon-2014", events=EVENTS, long=""):
    folder.mkdir(exist_ok=True)
    new = layout == "amazon-2023"
    keys = ("user_id", "parent_asin", "timestamp", "title", "text")
    if not new:
        keys = ("reviewerID", "asin", "unixReviewTime", "summary", "reviewText")
    unit = 10**11 if new else 1
    rating = {"rating": 5.0} if new else {"overall": 5.0}
    lines = [
        json.dumps(
            dict(zip(keys, (user, item, time * unit, headline, text + long), strict=True)) | rating
        )
        for user, item, time, headline, text in events
    ]
    meta = [json.dumps({keys[1]: item, "title": f"Item {item}"}) for item in "ABCD"]
    names = ("Beauty.jsonl", "meta_Beauty.jsonl")
    if not new:
        names = ("reviews_Beauty_5.json", "meta_Beauty.json")
    for name, some in zip(names, (lines, meta), strict=True):
        (folder / f"{name}.gz").write_bytes(gzip.compress("\n".join(some).encode()))
    return folder


def opened(folder, home, **options):
    options = {"min_item_events": 1, "min_user_events": 3, "reviews": True} | options
    return open_dataset(prepare(str(folder), home=home, seed=0, **options))


@pytest.mark.parametrize("layout", ["amazon-2014", "amazon-2023"])
def test_reviews_of_training_events_are_read_and_no_others(tmp_path, layout):
    data = opened(write(tmp_path / "data", layout), tmp_path)
    assert dict(zip(data.catalog.item_ids, data.catalog.columns[REVIEWS], strict=True)) == {
        "A": "Good! A of U1.",
        "B": "Fine. B of U1.",
        "C": "C of U2.",
        "D": "",
    }
    assert data.manifest["facts"]["reviews"] == {
        "read": 3,
        "held_out": 4,
        "not_kept": 2,
        "items": 3,
    }
    assert "hold 3 reviews of training events" in data.manifest["facts"]["notes"][0]
    everything = json.dumps(data.catalog.to_json())
    assert "test" not in everything
    assert "validation" not in everything


def test_without_the_field_the_prepared_data_are_those_of_before(tmp_path):
    folder = write(tmp_path / "data")
    without = opened(folder, tmp_path, reviews=False)
    assert REVIEWS not in without.catalog.columns
    assert without.data_hash != opened(folder, tmp_path).data_hash
    assert without.folder != opened(folder, tmp_path).folder


def test_other_thresholds_hold_out_other_reviews(tmp_path):
    """U1's C and D go with `data.top-items`, so that A and B are held out and nobody trains."""
    events = [
        *EVENTS[:4],
        ("U2", "A", 1, "", "x"),
        ("U2", "B", 2, "", "y"),
        ("U2", "A", 3, "", "z"),
    ]
    data = opened(write(tmp_path / "data", events=events), tmp_path, top_items=2)
    assert data.user_ids == ["U2"]
    assert data.catalog.item_ids == ["B", "A"]
    assert data.catalog.columns[REVIEWS] == ["", "x."]


def test_an_event_that_is_in_training_and_held_out_at_once_gives_no_text(tmp_path):
    """Two ratings at one time are two events of one name: nobody can tell their texts apart."""
    events = [*EVENTS[:3], ("U1", "C", 30, "", "again")]
    folder = write(tmp_path / "data", events=events)
    lines = gzip.decompress((folder / "reviews_Beauty_5.json.gz").read_bytes()).decode().split("\n")
    lines[3] = lines[3].replace("5.0", "1.0")
    lines.insert(0, lines[3].replace('"overall": 1.0', '"overall": 2.0'))  # a third: in training
    (folder / "reviews_Beauty_5.json.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    data = opened(folder, tmp_path)
    assert data.sequences.num_events == 5
    texts = dict(zip(data.catalog.item_ids, data.catalog.columns[REVIEWS], strict=True))
    assert texts["C"] == ""


def test_whole_reviews_up_to_the_limit(tmp_path):
    data = opened(write(tmp_path / "data", long=" word" * 900), tmp_path)
    longest = max(map(len, data.catalog.columns[REVIEWS]))
    assert longest == MAX_CHARACTERS
    short = opened(write(tmp_path / "short", long=" word" * 300), tmp_path)
    assert all(text == "" or text.endswith("word.") for text in short.catalog.columns[REVIEWS])


def test_a_source_without_texts_is_refused(tmp_path):
    events = [(user, item, time, "", "") for user, item, time, _, _ in EVENTS]
    with pytest.raises(DataError, match=r"no review in reviews_Beauty_5.json.gz has a text"):
        opened(write(tmp_path / "data", events=events), tmp_path)


def config(folder, **values):
    keys = {"data.source": str(folder), "data.min-item-events": 1, "partition.count": 1}
    encoded = {"semantics.encoder": "hashed", "semantics.fields": "title,reviews"}
    return read_config(keys | encoded | values)


def test_the_field_asks_for_the_column_and_reaches_the_texts(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path))
    prepared = open_prepared(config(write(tmp_path / "data")))
    assert prepared.dataset.catalog.columns[REVIEWS][0].startswith("Fine")
    assert prepared.table is not None


def test_a_scenario_that_hides_events_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path))
    hidden = config(write(tmp_path / "data"), **{"scenario.keep": 0.5})
    with pytest.raises(
        ConfigError, match=r"semantics.fields must not name 'reviews' with scenario"
    ):
        check_ranking(hidden)


def test_no_prompt_shows_reviews(tmp_path):
    data = opened(write(tmp_path / "data"), tmp_path)
    with pytest.raises(ConfigError, match="must not name 'reviews'"):
        item_texts(data.catalog, ("title", "reviews"))
