"""What the terminal shows."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from fedrec.report.head import head
from fedrec.report.references import below_popularity
from fedrec.report.tables import ROUND_COLUMNS, final_table, plain, round_headers, round_row
from fedrec.runs.record import read_run

RECORD = {
    "round": 3,
    "seconds": {"train": 9.0, "aggregate": 0.25, "evaluate": 1.5, "total": 11.0},
    "sampled": [0, 1, 2, 4],
    "aggregated": [0, 1, 2],
    "train_loss": 5.125,
    "megabytes": 1234.56,
    "validation": {"HR@10": 0.25, "NDCG@10": 0.125},
    "validation_users": 1060,
    "clients": {"NDCG@10": {"p10": 0.1, "p50": 0.12, "p90": 0.15, "worst_decile": 0.09}},
    "best": True,
}


def printed(run) -> str:
    console = Console(file=io.StringIO(), width=140, force_terminal=False)
    console.print(final_table(run))
    return console.file.getvalue()


def test_a_round_is_one_row():
    assert round_row(RECORD) == [
        "3 *", "3/4", "5.1250", "0.2500", "0.1250", "1,060", "0.100 / 0.120 / 0.150",
        "1,234.6", "11.0",
    ]  # fmt: skip
    assert len(round_row(RECORD)) == len(ROUND_COLUMNS)


def test_what_was_not_measured_is_a_dash():
    empty = {"round": 0, "seconds": {"total": 0.0}, "sampled": [], "aggregated": [],
             "train_loss": None, "megabytes": 0.0, "validation": None, "clients": None,
             "best": False}  # fmt: skip
    assert round_row(empty) == ["0", "-", "-", "-", "-", "-", "-", "0.0", "0.0"]


def test_headers_name_a_sampled_protocol():
    assert round_headers("full") == [column.header for column in ROUND_COLUMNS]
    assert round_headers("uniform-99")[3:5] == ["HR@10 (99 sampled)", "NDCG@10 (99 sampled)"]


def test_the_final_table_has_the_references_beside_the_run(make_run):
    text = printed(read_run(make_run(rounds=2, users=40)))
    line = next(line for line in text.splitlines() if "HR@10" in line)
    for number in ("0.2610", "0.2490 to 0.2730", "0.0410", "0.3500", "0.2720", "0.2760"):
        assert number in line
    assert "done" in text


def test_the_final_table_of_a_failed_run_shows_status_reason_and_last_validation(make_run):
    about = {"status": "failed", "reason": "2 of 10 clients answered"}
    text = printed(read_run(make_run(rounds=2, finished=False, about=about)))
    assert "failed (2 of 10 clients answered)" in " ".join(text.split())
    assert "HR@10" in text


def test_the_final_table_says_of_how_many_users_it_is(make_run):
    cells = {"HR@10": {"value": 0.2, "low": 0.1, "high": 0.3, "users": 5_123}}
    assert "5,123 users" in printed(read_run(make_run(rounds=1, users=40, metrics={"test": cells})))


def test_a_model_below_popularity_is_remarked_with_both_numbers(make_run):
    weak = {"test": {"NDCG@10": {"value": 0.0123, "low": 0.01, "high": 0.02}}}
    run = read_run(make_run(rounds=1, users=40, metrics=weak))
    popular = run.metrics["baselines"]["popularity"]["test"]["NDCG@10"]["value"]
    remark = (
        "The model is worse than popularity: test NDCG@10 is 0.0123, that of the most popular "
        f"items {popular:.4f}."
    )
    assert below_popularity(run) == remark
    assert remark in " ".join(printed(run).split())
    assert remark in head(run)["warnings"]


def test_a_model_above_popularity_is_not(make_run):
    run = read_run(make_run(rounds=1, users=40))
    assert below_popularity(run) == ""


def tile(run, name):
    return next(one for one in head(run)["tiles"] if one["name"] == name)


def test_the_time_is_that_of_the_whole_run_with_that_of_the_rounds_beside_it(make_run):
    about = {"started": "2026-11-21T02:00:00+00:00", "finished": "2026-11-21T02:10:30+00:00"}
    run = read_run(make_run(rounds=1, users=40, about=about | {"seconds": 61.0}))
    assert tile(run, "Time")["value"] == "10 min 30 s"
    assert tile(run, "Time")["note"] == "1 min 01 s in rounds; 2 cores"


def test_a_run_without_an_end_shows_the_time_in_rounds_as_such(make_run):
    run = read_run(make_run(rounds=1, users=40, about={"finished": None, "seconds": 61.0}))
    assert tile(run, "Time in rounds")["value"] == "1 min 01 s"


def test_the_loss_has_the_name_of_the_record():
    assert round_headers("full")[2] == "train loss"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jgone", "gone"),
        ("two\r\nlines", "two lines"),
        ("abc\u202egpj.exe", "abc gpj.exe"),
        ("Amélie (2001) [18+]", "Amélie (2001) [18+]"),
    ],
)
def test_terminal_escapes_are_stripped(text, expected):
    assert plain(text) == expected


def test_a_run_name_neither_moves_the_cursor_nor_styles_the_table(make_run):
    about = {"name": "\x1b[2J\x1b]0;x\x07[red]a[/red]", "reason": "\x1b[1mbad"}
    text = printed(read_run(make_run(rounds=1, users=40, about=about)))
    assert "\x1b" not in text
    assert "[red]a[/red]: done (bad)" in text  # shown as typed, not as markup


@given(st.text())
def test_no_control_character_survives(text):
    shown = plain(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
    assert plain(shown) == shown
