"""What ``python -m experiments.reproducibility.compare`` prints."""

from pathlib import Path

import pytest
import typer

from experiments.reproducibility import compare
from fedrec.errors import DataError

FOUND = {
    "HR@10": {
        "users": 1_234,
        "a": 0.25,
        "b": 0.125,
        "difference": {"value": 0.125, "low": -0.1, "high": 0.2},
        "ratio": {"value": 2.0, "low": 1.5, "high": 2.5},
    },
    "NDCG@10": {"users": 1_234, "a": 0.1, "b": 0.0, "difference": None, "ratio": None},
}


def test_a_row_names_both_runs_their_difference_and_their_ratio(monkeypatch, capsys):
    monkeypatch.setattr(compare, "compare", lambda *_: FOUND)
    compare.main(Path("/runs/cold"), Path("/runs/warm"), "seen", 3)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    shown = " ".join(" ".join(lines).split())
    assert "seen targets, 1,234 users of partition 3, 95 % intervals over users" in shown
    cells = [
        [cell.strip() for cell in line.strip("┃│").replace("┃", "│").split("│")] for line in lines
    ]
    assert ["metric", "cold", "warm", "difference", "95 %", "ratio", "95 %"] in cells
    assert [
        *("HR@10", "0.2500", "0.1250"),
        *("+0.1250", "-0.1000 to +0.2000", "2.000", "1.500 to 2.500"),
    ] in cells
    assert ["NDCG@10", "0.1000", "0.0000", "-", "-", "-", "-"] in cells


def test_an_error_is_one_line_and_its_exit_code(monkeypatch, capsys):
    def refuse(*_):
        raise DataError("not the same users")

    monkeypatch.setattr(compare, "compare", refuse)
    with pytest.raises(typer.Exit) as caught:
        compare.main(Path("a"), Path("b"))
    assert caught.value.exit_code == DataError.exit_code
    assert capsys.readouterr().err == "error: not the same users\n"
