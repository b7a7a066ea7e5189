"""What a report says first, how it is repeated elsewhere, and what may be copied from it."""

import csv
import dataclasses
import io
import re
import shlex
from pathlib import Path

import pytest
import yaml

from fedrec.report.html.copies import copies
from fedrec.report.opening import opening
from fedrec.report.page import render_page
from fedrec.report.repeat import (
    AUTHORS,
    TITLE,
    YEAR,
    beside_command,
    citation,
    portable,
    repeat_command,
    repeat_notes,
)
from fedrec.report.sections import results
from fedrec.runs.record import read_run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(make_run):
    return read_run(make_run(rounds=3, users=20, partitions=4))


def with_about(run, **about):
    return dataclasses.replace(run, about=run.about | about)


def test_the_opening_says_what_was_done_and_how_it_stands(run):
    # NDCG@10 is .56 of HR@10: .261 against popularity's .041 and centralised's .272.
    assert opening(run) == (
        "4 clients trained the hybrid model on MovieLens-1M with FedAvg for 3 rounds; its test "
        "NDCG@10 is 0.1462, 6.4 times popularity (0.0230) and 96 % of centralised (0.1523)."
    )


@pytest.mark.parametrize(
    ("about", "config", "words"),
    [
        ({}, {"federation": {"unit": "user"}}, "20 one-person clients trained"),
        ({"partitions": [{"partition": 0, "users": 20}]}, {}, "One client trained"),
        ({"engine": "baseline (centralised)"}, {}, "One place with all data trained the hybrid"),
        ({"engine": "baseline (local-only)"}, {}, "each alone, for 3 rounds"),
        ({"engine": "baseline (item-knn)"}, {}, "A ranking by item knn on MovieLens-1M, without"),
        (
            {"engine": "baseline (lightgcn)"},
            {},
            "One place with all data trained LightGCN on Movie",
        ),
        ({"status": "failed"}, {"federation": {"rounds": 9}}, "for 3 of 9 rounds"),
        (
            {"data": {"name": "mine"}},
            {"model": {"name": "own.models:Mine"}},
            "trained Mine on mine",
        ),
    ],
)
def test_the_opening_of_other_runs(run, about, config, words):
    changed = dataclasses.replace(run, about=run.about | about, config=run.config | config)
    assert words in opening(changed)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data.source=/home/me/ml-1m.zip", "data.source=PATH/TO/ml-1m.zip"),
        ("/a/b.csv + C:\\data\\c.csv", "PATH/TO/b.csv + PATH/TO/c.csv"),
        ("~/x.csv", "PATH/TO/x.csv"),
        ("model.views=identity,semantic", "model.views=identity,semantic"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("1/2", "1/2"),
    ],
)
def test_absolute_paths_become_placeholders(text, expected):
    assert portable(text) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("fedrec run ml-1m --seed 7 --out /tmp/x --quiet", "fedrec run ml-1m --seed 7"),
        ("fedrec run --out=/tmp/x synthetic --workers 2", "fedrec run synthetic"),
        ("fedrec run /home/me/own.toml --set local.epochs=2",
         "fedrec run config.toml --set local.epochs=2"),
        ("fedrec run --set data.source=/home/me/a.csv",
         "fedrec run --set data.source=PATH/TO/a.csv"),
        ("fedrec.simulate(engine='ray')  # or: fedrec run x.toml", "fedrec run config.toml"),
        ("flwr run . --run-config 'preset=\"ml-1m\"", "fedrec run config.toml"),
    ],
)  # fmt: skip
def test_the_repeat_line_holds_nothing_of_this_machine(run, command, expected):
    assert repeat_command(with_about(run, command=command)) == expected


def test_a_baseline_is_repeated_as_one_and_local_data_is_named(run):
    about = {
        "engine": "baseline (local-only)",
        "command": "fedrec baseline local-only /x/config.toml",
    }
    config = run.config | {"data": {"source": "/home/me/ml-1m.zip"}}
    changed = dataclasses.replace(run, about=run.about | about, config=config)
    assert repeat_command(changed) == "fedrec baseline local-only config.toml"
    notes = " ".join(repeat_notes(changed))
    assert "config.toml lies in the run folder" in notes
    assert "PATH/TO/ml-1m.zip stands for your copy" in notes


def test_what_is_missing_beside_a_run_is_offered_in_one_line(run):
    assert beside_command(run) == (
        "fedrec baseline local-only run/config.toml --out run-local-only && "
        "fedrec report run --reference run-local-only"
    )
    bare = dataclasses.replace(run, metrics=run.metrics | {"baselines": {"popularity": {}}})
    bare = with_about(bare, command="fedrec run synthetic --engine inline --partitions 4 --seed 1")
    assert (
        "fedrec baseline centralised synthetic --set partition.count=4 --seed 1 "
        "--out run-centralised" in beside_command(bare)
    )
    assert beside_command(with_about(run, status="failed")) == ""


def test_no_page_shows_a_folder_of_this_machine(run):
    config = run.config | {"data": {"source": "/home/me/private/ml-1m.zip"}}
    about = {"command": "fedrec run --set data.source=/home/me/private/ml-1m.zip --out /home/me/x",
             "data": run.about["data"] | {"source": "/home/me/private/ml-1m.zip"}}  # fmt: skip
    page = render_page(dataclasses.replace(with_about(run, **about), config=config), [])
    assert "PATH/TO/ml-1m.zip" in page
    assert "/home/me" not in page


def test_recall_is_left_out_where_it_is_hr(run):
    assert "Recall@10" not in [row[0] for row in results(run)["rows"]]
    test = run.metrics["test"] | {"Recall@10": {"value": 0.5}}
    other = dataclasses.replace(run, metrics=run.metrics | {"test": test})
    assert "Recall@10" in [row[0] for row in results(other)["rows"]]


def test_a_table_is_copied_with_its_intervals_and_no_formula_in_it():
    rows = [["HR@10", {"value": "0.5000", "interval": "0.4000 to 0.6000"}], ["=1+1", "-0.5"]]
    found = copies("A & B", ["metric", "test"], rows)
    assert list(csv.reader(io.StringIO(found["csv"]))) == [
        ["metric", "test", "test, 95 %"],
        ["HR@10", "0.5000", "0.4000 to 0.6000"],
        ["'=1+1", "-0.5", ""],
    ]
    assert r"HR@10 & 0.5000 & 0.4000 to 0.6000 \\" in found["latex"]
    assert r"\caption{A \& B.}" in found["latex"]


def test_the_page_offers_every_table_as_text_without_a_script(run):
    page = render_page(run, [])
    assert page.count('<details class="copies">') == 4  # results, traffic, seconds, rounds
    assert r"\toprule" in page
    assert "metric,&#34;this run, test&#34;,&#34;this run, test, 95 %&#34;,popularity" in page


def test_the_citation_is_that_of_the_repository(run):
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (cited["title"], cited["authors"][0]["name"]) == (TITLE, AUTHORS)
    assert str(cited["date-released"])[:4] == YEAR
    assert "version = {0.1.0}" in citation(run)  # of the run, not of what draws its page
    lines = re.search(r"Cite fedrec.*?<pre>(.*?)</pre>", render_page(run, []), flags=re.S)[1]
    assert lines.replace("&#39;", "'") + "\n" == citation(run)


def test_every_offered_command_can_be_typed(run):
    for command in beside_command(run).split(" && "):
        assert shlex.split(command)[0] == "fedrec"
