"""`fedrec recommend`: any id can be named, whatever it holds."""

import json

import pandas as pd
import pytest

import fedrec as package
from tests.experiments.cli.test_main import SMALL


@pytest.fixture
def shop(tmp_path, monkeypatch, undrawn):
    """A run on a catalogue with ids of commas and blanks, and an item that nobody had."""
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path / "home"))
    names = {0: "i0, part 2", 1: " i1"}
    rows = [(f"u{u}", names.get(i, f"i{i}"), i) for u in range(12) for i in range(u, u + 9)]
    events = tmp_path / "events.csv"
    pd.DataFrame(rows, columns=["user", "item", "time"]).to_csv(events, index=False)
    listed = [*dict.fromkeys(item for _, item, _ in rows), "never sold"]
    items = tmp_path / "items.csv"
    pd.DataFrame({"item": listed, "title": listed}).to_csv(items, index=False)
    settings = {**SMALL, "data.source": str(events), "data.items": str(items)}
    settings |= {"data.min-item-events": "0", "partition.count": "2", "evaluation.at": "5,10"}
    settings["loss.negatives"] = "4"
    strings = ("data.source", "data.items", "evaluation.at", "semantics.encoder")
    read = {key: v if key in strings else int(v) for key, v in settings.items()}
    return package.simulate(read, out=tmp_path / "run").folder


def test_ids_with_commas_and_blanks_are_named_on_the_command_line(shop, fedrec, tmp_path):
    (tmp_path / "ids").write_text(" i1\ni3\n")
    done = fedrec(
        "recommend", shop, "--history", "i0, part 2", "--history-file", tmp_path / "ids", "--json"
    )
    assert done.exit_code == 0, done.output
    assert [one["item"] for one in json.loads(done.stdout)["history"]] == [
        "i0, part 2",
        " i1",
        "i3",
    ]


def test_items_without_events_are_kept_and_recommended(shop):
    ready = package.open_recommender(shop)
    assert "never sold" in ready.catalog.item_ids
    assert "never sold" in [one.item for one in ready.recommend(["i3"], k=20)]
