"""Titles, names and labels that carry markup or terminal escapes are shown as text."""

import sys
from html.parser import HTMLParser
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from fedrec.models.hybrid import Hybrid
from fedrec.models.layers.gate import ContextGate
from fedrec.models.layers.views import IdentityView

HTML = "<img src=x onerror=alert(1)>"
TEX = r"$\undefined{$_x^"


class Tags(HTMLParser):
    """Names of all elements of a page."""

    def __init__(self, page):
        super().__init__()
        self.names = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)


def test_html_in_names_and_titles_is_shown_as_text(run, csv, events, fedrec_home, only_figures):
    only_figures()
    titled = [line.replace("Film 7,", f"<script>alert(2)</script>{HTML},") for line in events]
    ended = run(csv(titled, f"{HTML}.csv"), draw=True)
    assert ended.code == 0, ended.errors
    page = (fedrec_home / "runs" / "small" / "report.html").read_text(encoding="utf-8")
    assert "&lt;img src=x onerror=alert(1)&gt;" in page  # the name of the file
    assert "img" not in Tags(page).names
    assert Tags(page).names.count("script") == 1
    assert "Content-Security-Policy" in page
    assert "unsafe-inline" not in page


def test_cells_that_start_a_formula_get_an_apostrophe(run, csv, events, fedrec_home):
    lines = [line.replace("Film 7,", "=1+1,").replace("Film 8,", "@SUM(A1),") for line in events]
    lines = [line.replace("u4,", "-2+3,").replace("i9,", "+9,") for line in lines]
    ended = run(csv(lines))
    assert ended.code == 0, ended.errors
    items = pd.read_csv(fedrec_home / "runs" / "small" / "items.csv", dtype=str)
    users = pd.read_csv(fedrec_home / "runs" / "small" / "users.csv", dtype=str)
    assert {"'=1+1", "'@SUM(A1)"} <= set(items["title"])
    assert "'+9" in set(items["original_id"])
    assert "'-2+3" in set(users["original_id"])
    texts = pd.concat([items["title"], items["original_id"], users["original_id"]])
    assert not texts.str.match(r"[=+\-@]").any()


def two_views(rows, encoder):
    """A model of the user's whose views have odd names."""
    views = {TEX: IdentityView(rows), "b$": IdentityView(rows)}
    frequency = torch.zeros(len(rows))
    return Hybrid(
        views,
        ContextGate(len(views), rows.shape[1]),
        encoder,
        width=rows.shape[1],
        frequency=frequency,
    )


@pytest.mark.slow
def test_dollars_and_tex_in_labels_are_shown_as_typed(
    run, csv, events, fedrec_home, monkeypatch, only_figures
):
    only_figures("gates")
    monkeypatch.setitem(sys.modules, "own_views", SimpleNamespace(two_views=two_views))
    ended = run(csv(events), "model.name=own_views:two_views", draw=True)
    assert ended.code == 0, ended.errors
    assert (fedrec_home / "runs" / "small" / "figures" / "gates.svg").exists()


def test_terminal_escapes_of_a_file_never_reach_the_terminal(run, describe, refused, csv, events):
    titled = [line.replace("Film 7,", "\x1b]0;owned\x07\x1b[31mFilm,") for line in events]
    for ended in (describe(csv(titled)), run(csv(titled))):
        assert ended.code == 0, ended.errors
        assert not set(ended.shown + ended.errors) & set("\x1b\x07")
    torn = [events[0].replace("genres", "\x1b]0;owned\x07\x9b31mgenres"), *events[1:], "a,b"]
    ended = describe(csv(torn))
    refused(ended, 4, "line 182: 2 fields", "title,genres")
    assert not set(ended.errors) & set("\x1b\x07\x9b")


def test_markup_in_the_name_of_a_column_is_no_markup(describe, csv, events):
    rows = [f"{line},{line.split(',')[0][-1]}" for line in events]
    rows[0] = f"{events[0]},[/red]"
    ended = describe(csv(rows), "data.attribute-columns=[/red]", "partition.by=[/red]")
    assert ended.code == 0, ended.errors
    assert "3 partitions by [/red]" in ended.shown
