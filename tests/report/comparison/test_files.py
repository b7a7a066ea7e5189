"""What a comparison leaves: on a terminal, in tables for programs and papers, on its page."""

import base64
import csv
import hashlib
import html
import io
import json
import re

import pytest
from rich.console import Console

import fedrec
from fedrec.report.comparison.curves import curve
from fedrec.report.comparison.text import terminal

EVIL = "<script>alert(1)</script>|`$\\input{x}"
FIGURES = {"curves-rounds", "curves-seconds", "curves-megabytes", "differences"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folders that tests of this module only look at, by their name."""
    return {}


@pytest.fixture
def saved(made, two_groups, tmp_path):
    """A comparison of twice three runs, and the folder that it was saved to."""
    if not made:
        found = fedrec.compare(two_groups(3, about={"data": {"name": EVIL, "hash": "1"}}))
        made["found"], made["folder"] = found, found.save(tmp_path / "a" / "out").parent
    return made["found"], made["folder"]


def shown(found, width):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(terminal(found, console))
    return console.export_text()


def test_every_file_is_written(saved):
    _, folder = saved
    names = {f"compare.{kind}" for kind in ("csv", "md", "tex", "json", "html")}
    names |= {f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png")}
    assert {path.name for path in folder.iterdir()} == names


def test_the_csv_holds_a_row_for_each_group_and_metric(saved):
    found, folder = saved
    with (folder / "compare.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found.table) == 2 * 7
    assert [float(row["value"]) for row in rows] == list(found.table["value"])
    assert [row["verdict"] for row in rows[:7]] == [""] * 7
    assert [float(row["difference"]) for row in rows[7:]] == list(found.pairs["difference"])


def test_the_json_holds_all_of_it(saved):
    found, folder = saved
    held = json.loads((folder / "compare.json").read_text())
    assert [len(held[name]) for name in ("groups", "table", "pairs")] == [2, 14, 7]
    assert held["statements"] == found.statements
    assert [run["seed"] for run in held["groups"][0]["runs"]] == [0, 1, 2]
    assert held["groups"][1]["settings"]["strategy.name"] == "fedadam"


def test_markdown_and_latex_hold_the_result(saved):
    found, folder = saved
    page, paper = ((folder / f"compare.{kind}").read_text() for kind in ("md", "tex"))
    assert f"- {found.statements[0]}" in page
    assert "is better than strategy.name=fedavg" in found.statements[0]
    assert "| strategy.name=fedadam | NDCG@10 |" in page
    for word in (r"\toprule", r"\midrule", r"\bottomrule", r"95 \%"):
        assert word in paper
    assert all(len(line.split(" & ")) <= 11 for line in paper.splitlines())


def test_signs_of_latex_and_markdown_in_a_value_are_shown_as_they_are(write_run):
    from fedrec.report.comparison.text import latex, markdown

    found = fedrec.compare(
        write_run("a", [1, 2]), write_run("b", [1, 2], strategy__options="a_b=1|2 $x%")
    )
    assert r"a\_b=1\textbar{}2 \$x\%" in latex(found)
    assert r"a_b=1\|2 $x%" in markdown(found)


@pytest.mark.parametrize("width", [80, 120, 300])
def test_the_tables_fit_the_terminal_and_show_the_main_metric(saved, width):
    text = shown(saved[0], width)
    assert max(map(len, text.splitlines())) <= width
    for word in ("NDCG@10", "Holm", "better", "Gini", "p users and seeds"):
        assert word in " ".join(text.split())
    assert ("smallest" in text) == (width > 80)


def test_the_page_is_self_contained_and_runs_no_script_of_a_title(saved):
    page = (saved[1] / "compare.html").read_text()
    assert len(page) < 1_000_000
    assert page.count("<script") == 1
    assert "&lt;script&gt;alert(1)" in page
    policy = html.unescape(page.split('Policy" content="')[1].split('"')[0])
    assert policy.startswith("default-src 'none';")
    for tag in ("style", "script"):
        [text] = re.findall(rf"<{tag}>(.*?)</{tag}>", page, flags=re.S)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    assert not re.findall(r'<[^>]+ style="', page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert {f"figure-{name}" for name in FIGURES} <= set(ids)


def test_every_cell_of_the_page_has_a_label_for_a_narrow_screen(saved):
    page = (saved[1] / "compare.html").read_text()
    sheets = page[page.index('<h2 id="results">') : page.index('<h2 id="notes">')]
    assert len(re.findall("<td", sheets)) == len(re.findall("<td data-label=", sheets)) > 50


def test_a_comparison_without_curves_or_pairs_has_a_page(write_run, tmp_path):
    page = fedrec.compare(write_run("a", [1, 2])).save(tmp_path / "out").read_text()
    assert "nothing to compare it with" in page
    assert "What was found" not in page


def test_a_curve_is_the_mean_over_seeds_at_rounds_that_all_have(write_run):
    runs = [
        write_run("a", [1], 0, rounds=[(0, 0.0, 0.0, 0.1), (1, 2.0, 5.0, 0.2), (2, 4.0, 9.0, 0.3)]),
        write_run("b", [1], 1, rounds=[(0, 1.0, 0.0, 0.2), (2, 6.0, 9.0, 0.5)]),
    ]
    [group] = fedrec.compare(runs).groups
    by_seconds = curve(group, "elapsed")
    assert by_seconds.xs.tolist() == [0.5, 5.0]  # (0 + 1) / 2 and (4 + 6) / 2
    assert by_seconds.values.tolist() == [[0.1, 0.3], [0.2, 0.5]]
    assert curve(group, "round").xs.tolist() == [0, 2]


def test_what_moves_nothing_has_no_curve_over_traffic(write_run):
    rounds = [(0, 0.0, 0.0, 0.1), (1, 2.0, 0.0, 0.2)]
    [group] = fedrec.compare(write_run("a", [1], rounds=rounds)).groups
    assert curve(group, "megabytes") is None
    assert curve(group, "round") is not None
