"""The files of the benchmarks: their rows exist, their figures stand where they say."""

import re
from pathlib import Path

import pytest

from experiments.benchmarks.suite import FOLDER, chosen_rows, read_suite, suite_names
from experiments.settings import resolve
from fedrec.errors import ConfigError
from fedrec.report.ablation.columns import short

RESULTS = Path(__file__).parents[3] / "experiments" / "results"
ROWS = [(name, row) for name in suite_names() for row in read_suite(name).rows.values()]
IDS = {"argvalues": ROWS, "ids": [f"{name}-{row.name}" for name, row in ROWS]}


def test_the_benchmarks_of_the_documentation_are_there():
    assert suite_names() == ["beauty", "ml-100k", "ml-1m", "sports", "toys", "video-games"]


@pytest.mark.parametrize(("name", "row"), **IDS)
def test_every_row_is_a_config(name, row):
    config = resolve(
        row.preset or None,
        (),
        dict(row.changes) | {"data.source": "synthetic"},
        centralised=row.kind == "centralised",
    )
    assert config.model.name == row.changes.get("model.name", "hybrid") or row.preset


@pytest.mark.parametrize(
    ("name", "row"),
    [(name, row) for name, row in ROWS if row.expected],
    ids=[f"{name}-{row.name}" for name, row in ROWS if row.expected],
)
def test_every_expected_figure_stands_on_the_page_that_it_names(name, row):
    page = re.match(r"[a-z0-9-]+\.md", row.expected.by)
    assert page, row.expected.by
    text = (RESULTS / page[0]).read_text(encoding="utf-8")
    assert [v for v in row.expected.values.values() if short(v) not in text] == []


def test_a_row_that_nobody_has_measured_expects_nothing():
    toys = read_suite("toys").rows["sasrec-one-place"]
    assert toys.expected is None
    assert toys.published.values == {"NDCG@10": 0.058, "HR@10": 0.097}


def test_rows_without_training_have_one_seed():
    rows = read_suite("ml-100k").rows
    assert (rows["markov"].seeds, rows["markov"].is_trained) == (1, False)
    assert (rows["sasrec-silos"].seeds, rows["sasrec-silos"].is_trained) == (3, True)


def test_an_unknown_benchmark_or_row_is_named():
    with pytest.raises(ConfigError, match="unknown benchmark 'toy'; did you mean 'toys'"):
        read_suite("toy")
    with pytest.raises(ConfigError, match=r"--row sasrec is no row of the benchmark toys: hybrid"):
        chosen_rows(read_suite("toys"), ["sasrec"])
    assert (FOLDER / "toys.toml").is_file()


def test_all_that_is_wrong_with_a_file_is_told_at_once(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'about = 3\nget = "x"\nrow = 1\n[rows.a]\nabout = "A"\nkind = "magic"\n'
        'expected = { "NDCG@10" = 5.0 }\n[rows.b]\nabout = "B"\n'
        'expected = { "NDCG@10" = 5.0, by = "me" }\n'
    )
    with pytest.raises(ConfigError) as error:
        read_suite(str(path))
    told = "\n".join(error.value.problems)
    for words in (
        "'row' is none of about,",
        "about must be a text, got 3",
        "rows.a.kind: a baseline is one of",
        "rows.a.expected must be a table of figures with `by`",
        "rows.b.expected.NDCG@10 must be a number between 0 and 1, got 5.0",
    ):
        assert words in told
