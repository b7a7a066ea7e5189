"""Titles that no file can hold, and such that would break a table, a page or a terminal."""

import csv
import io

import numpy as np
import pandas as pd
import pytest

import fedrec
from experiments.recommend.answer import recommend
from experiments.recommend.opened import open_run
from experiments.recommend.shown import shown
from fedrec.data.preparation.store import Dataset
from fedrec.data.readers.tables import Columns, load_frame
from fedrec.data.storable import COUNTED, is_storable, storable
from fedrec.errors import DataError
from fedrec.runs.plain_text import plain
from tests.experiments.small_runs import SMALL

ODD = [
    "half \ud800 of a pair",
    "nul\x00nul",
    "\x1b[31mred\x07 \x9b31m",
    "\u202eright to left\u200f \u2066",
    "x" * 10_000,
    "<script>alert(1)</script><b>&amp;\"'",
    "</script><!--",
    "line\r\nbreak\tand\u2028more\x85",
    "=1+1",
    "\x00",
    "[bold]markup[/] {{x}} ${y} %s",
    'quote " and , and |',
]


@pytest.fixture
def events():
    """30 users with 8 events each among 40 items, the first of which have odd titles."""
    items = np.concatenate([np.random.default_rng(0).permutation(40) for _ in range(6)])
    titles = [ODD[item] if item < len(ODD) else f"story {item}" for item in items]
    return pd.DataFrame(
        {
            "user": np.repeat(np.arange(30), 8),
            "item": items,
            "time": np.arange(240),
            "title": pd.Series(titles, dtype=object),
            "town": pd.Series(["\udfff"] * 240, dtype=object),
        }
    )


def test_what_cannot_be_stored_is_replaced_and_counted(events):
    loaded = load_frame(events, Columns(attributes=("town",)))
    kept = storable(loaded)
    titles = dict(zip(kept.item_ids, kept.catalog.titles, strict=True))
    assert titles["0"] == "half \ufffd of a pair"
    assert kept.skipped[COUNTED] == 1 + 30  # a title, and the town of every user
    assert kept.attributes["town"] == ["\ufffd"] * 30
    assert all(map(is_storable, kept.catalog.titles))


def test_ordinary_texts_are_left_as_they_are(events):
    loaded = load_frame(events.assign(title="Amélie \U0001f600 \u05d0"), Columns())
    assert storable(loaded) is loaded


@pytest.mark.parametrize("what", ["user", "item"])
@pytest.mark.parametrize("odd", ["a\ud800", "a\x00"], ids=["half", "nul"])
def test_an_id_that_cannot_be_stored_is_refused(events, what, odd):
    values = [odd if one == 3 else str(one) for one in events[what]]
    changed = events.assign(**{what: pd.Series(values, dtype=object)})
    with pytest.raises(DataError, match=rf"^{what} id 'a.*' holds a lone surrogate or NUL"):
        Dataset.from_frame(changed)


def test_every_way_into_a_dataset_replaces_them(events, tmp_path):
    for dataset in (Dataset.from_frame(events), Dataset.from_frame(events, home=tmp_path)):
        assert dataset.manifest["skipped"][COUNTED] == 1
        assert all(map(is_storable, dataset.catalog.titles))


def test_odd_titles_break_no_table_no_page_and_no_terminal(events, tmp_path, only_figures):
    only_figures("gates")
    run = fedrec.simulate(SMALL, data=events, out=tmp_path / "run")
    assert run.about["data"]["skipped"][COUNTED] == 1
    text = (run.folder / "items.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == 40
    assert "\0" not in text
    by_id = {row["original_id"]: row["title"] for row in rows}
    assert by_id["8"] == "'=1+1"
    assert len(by_id["4"]) == 10_000
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert COUNTED in page
    answer = recommend(open_run(run.folder), "3", (), 40, {"titles": "new \ud800 \x1b[31m"})
    from rich.console import Console

    console = Console(file=io.StringIO(), width=100)
    for table in shown(answer):
        console.print(table)
    printed = console.file.getvalue()
    assert len(answer["recommendations"]) > 20
    assert all(plain(line) == line.strip() for line in printed.splitlines())
