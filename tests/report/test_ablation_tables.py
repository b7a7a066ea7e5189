"""The tables of an ablation study, on a terminal and in files."""

import io

import pytest
from rich.console import Console

from fedrec.errors import DataError
from fedrec.report.ablation.columns import fitting, short
from fedrec.report.ablation.summary import found, write_ablation
from fedrec.report.ablation.tables import terminal
from fedrec.runs.record import read_json


@pytest.fixture
def four_cells(write_cell, ask):
    """The tasks of an ablation: one to compare with, one worse, one that failed, one not run."""
    few = "few-shot-items = 0.1\nfew-shot-events = 3"
    write_cell("base", 0, {"a": (4, 1), "b": (5, 60)}, scenario=few)
    write_cell("new", 0, {"a": (4, 2), "b": (5, 1)}, scenario=few, status="degraded")
    tasks = {"Base": "", "New": "Base", "Broken": "Base", "Later": "New"}
    ask(tasks, failed={"broken-seed0": "one line | that says why"})


@pytest.mark.parametrize("width", [60, 100, 160])
def test_the_tables_fit_the_terminal(four_cells, tmp_path, width):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(terminal(found(tmp_path), console))
    text = console.export_text()
    assert "…" not in text
    assert "broken-seed0: failed: one line | that says why" in " ".join(text.split())
    assert [word in text for word in ("to 1.0000", "seconds")] == [width > 60, width == 160]
    assert "few-shot" in text


def test_everything_is_written(four_cells, tmp_path):
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(write_ablation(tmp_path, console))
    assert "broken-seed0: failed" in console.export_text()
    page = (tmp_path / "ablation.md").read_text()
    assert "| New | .8155 |" in page
    assert "| Broken | failed |" in page
    assert "| Later (to New) | not run |" in page
    assert "- new-seed0: degraded" in page
    assert "(ablation.png)" in page
    assert "* marks a difference with p < 0.05" in page
    assert "fedrec ablate own\n```" in page
    assert read_json(tmp_path / "ablation.json") == found(tmp_path)
    assert (tmp_path / "ablation.svg").read_bytes().startswith(b"<?xml")
    assert (tmp_path / "ablation.png").stat().st_size > 10_000


def test_columns_are_left_out_until_the_rest_fits():
    from fedrec.report.ablation.columns import Column

    shown = [Column("a", str, 5), Column("b", str, 9, 2), Column("c", str, 3, 1)]
    assert [c.header for c in fitting(shown, 7 + 11 + 5)] == ["a", "b", "c"]
    assert [c.header for c in fitting(shown, 22)] == ["a", "c"]
    assert [c.header for c in fitting(shown, 11)] == ["a"]
    assert [c.header for c in fitting(shown, 1)] == ["a"]


def test_numbers_have_no_zero_before_the_point():
    assert [short(v) for v in (0.1607, 1.0, 0.0, 0.99999)] == [".1607", "1.0000", ".0000", "1.0000"]
    assert [short(v, signed=True) for v in (0.0012, -0.25)] == ["+.0012", "-.2500"]


def test_another_folder_is_no_ablation(tmp_path):
    with pytest.raises(DataError, match="is it the folder of a `fedrec ablate`"):
        found(tmp_path)


def text_of(tmp_path):
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(write_ablation(tmp_path, console))
    return console.export_text(), (tmp_path / "ablation.md").read_text()


def test_tables_say_over_how_many_users_their_metrics_are_means(write_cell, ask, tmp_path):
    for name in ("base", "new"):
        write_cell(name, 0, {"a": (4, 1), "b": (5, 60), "c": (6, 2)})
    ask({"Base": "", "New": "Base"})
    for text in text_of(tmp_path):
        assert "evaluated users: 3." in text
        assert " users |" not in text


def test_tasks_on_other_numbers_of_users_have_a_column_of_them(write_cell, ask, tmp_path):
    write_cell("base", 0, {"a": (4, 1), "b": (5, 60), "c": (6, 2)})
    write_cell("new", 0, {"a": (4, 1), "b": (5, 60)})
    ask({"Base": "", "New": "Base"})
    shown, page = text_of(tmp_path)
    assert "evaluated users" not in shown + page
    assert "| task | NDCG@10 | users |" in page
    assert "| Base (baseline) | .5436 | 3 |" in page
    assert "users" in shown.splitlines()[2] + shown.splitlines()[3]


def test_users_of_rare_targets_and_of_the_others_are_told(four_cells, tmp_path):
    for text in text_of(tmp_path):
        assert "evaluated users: 2, 1 of few-shot targets, 1 of the others." in text
