"""The contributors' page answers its questions with files that exist."""

import re

import pytest

from tests.docs.blocks import ROOT

PAGE = (ROOT / "docs" / "contributing" / "where.md").read_text(encoding="utf-8")
QUESTIONS, TO_ADD = PAGE.split("## Eleven questions")[1].split("## What to touch")
_NAMED = re.compile(r"`([\w.-]+(?:/[\w.-]*)+|pyproject\.toml)`")


def rows(table: str) -> list[list[str]]:
    """Cells of a table, without its head."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_there_are_eleven_questions():
    assert len(rows(QUESTIONS)) == 11


@pytest.mark.parametrize("row", [*rows(QUESTIONS), *rows(TO_ADD)], ids=lambda row: row[0][:40])
def test_an_answer_names_files_that_exist(row):
    named = _NAMED.findall(row[-1])
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    ("thing", "most"),
    [
        *(("a metric", 1), ("a model", 2), ("a loss", 2), ("a dataset layout", 2)),
        *(("a command", 2), ("a key", 3), ("a figure", 2)),
    ],
)
def test_few_files_are_touched_to_add_one_thing(thing, most):
    [row] = [row for row in rows(TO_ADD) if row[0] == thing]
    assert len(_NAMED.findall(row[-1])) <= most
    assert max(map(int, re.findall(r"\d", row[1]))) <= most
