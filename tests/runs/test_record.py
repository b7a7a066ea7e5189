"""The run folder, written and read back."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrec.errors import DataError, FedrecError, ResourceError
from fedrec.runs.record import read_json, read_rounds, read_run
from fedrec.runs.write import append_round, cut_rounds, write_csv, write_json

TEXT = st.text(st.characters(codec="utf-8"))


def test_a_finished_run_is_read_whole(make_run):
    run = read_run(make_run(rounds=5, users=40))
    assert (run.name, run.status, run.protocol, run.best_round) == (
        "ml-1m-fedavg",
        "done",
        "full",
        4,
    )
    assert [r["round"] for r in run.history] == [0, 1, 2, 3, 4, 5]
    assert run.config["local"] == {"learning-rate": 0.001}
    assert len(run.users) == 40
    assert run.users["original_id"][0] == "0001"  # still text
    assert not run.torn_line


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_an_unfinished_run_needs_no_metrics(make_run, status):
    run = read_run(make_run(rounds=2, finished=False, about={"status": status}))
    assert run.metrics is None
    assert run.users is None
    assert run.validation == run.history[2]["validation"]  # of the best round, 2 of 2


def test_a_run_that_failed_before_its_first_round_has_no_rounds(make_run):
    folder = make_run(rounds=0, finished=False, about={"status": "failed", "best_round": None})
    (folder / "rounds.jsonl").unlink()
    run = read_run(folder)
    assert (run.history, run.best_round, run.validation) == ([], None, {})


def test_the_first_of_several_protocols_is_that_of_the_curves(make_run):
    config = '[evaluation]\nprotocol = "uniform-99, full"\n'
    about = {"status": "running"}
    run = read_run(make_run(rounds=1, finished=False, about=about, config=config))
    assert run.protocol == "uniform-99"


@pytest.mark.parametrize(
    "name", ["run.json", "config.toml", "rounds.jsonl", "metrics.json", "users.csv"]
)
def test_a_missing_file_of_a_finished_run_is_named(make_run, name):
    folder = make_run(rounds=1, users=40)
    (folder / name).unlink()
    with pytest.raises(DataError, match=rf"{name} is missing; is .* the folder of a run"):
        read_run(folder)


def test_half_a_last_line_is_left_out_and_told(make_run):
    folder = make_run(rounds=3, users=40)
    path = folder / "rounds.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    run = read_run(folder)
    assert [r["round"] for r in run.history] == [0, 1, 2]
    assert run.torn_line


def test_a_last_line_torn_inside_a_letter_is_left_out(tmp_path):
    path = tmp_path / "rounds.jsonl"
    path.write_bytes('{"round": 0}\n{"reason": "é'.encode()[:-1])
    assert read_rounds(path) == ([{"round": 0}], True)


def test_a_broken_line_in_the_middle_is_refused_with_its_number(tmp_path):
    path = tmp_path / "rounds.jsonl"
    path.write_text('{"round": 0}\n{"round": 1\n{"round": 2}\n')
    with pytest.raises(DataError, match=r"rounds\.jsonl line 2: .*damaged"):
        read_rounds(path)


@pytest.mark.parametrize("text", ["NaN", "[1]", "", '{"a": Infinity}'])
def test_what_is_no_json_object_is_refused(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(DataError, match=r"run\.json"):
        read_json(tmp_path / "run.json")


@pytest.mark.parametrize("other", [1, 3, None])
def test_a_folder_of_another_format_is_refused_in_one_line(make_run, other):
    folder = make_run(rounds=1, users=40, about={"format": other})
    with pytest.raises(DataError, match="this version reads format 2") as refused:
        read_run(folder)
    assert f"of format {other!r}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_another_status_is_refused(make_run):
    with pytest.raises(DataError, match="status 'fine', expected one of done, degraded"):
        read_run(make_run(rounds=1, users=40, about={"status": "fine"}))


@pytest.mark.parametrize("text", ["user,events\n1,2\n", "", "events,rank,HR@10,NDCG@10\n3,x,0,0\n"])
def test_a_damaged_users_table_is_refused(make_run, text):
    folder = make_run(rounds=1, users=40)
    (folder / "users.csv").write_text(text)
    with pytest.raises(DataError, match=r"users\.csv.*damaged"):
        read_run(folder)


def test_a_round_is_one_line_of_plain_numbers(tmp_path):
    path = tmp_path / "rounds.jsonl"
    append_round(path, {"round": np.int64(1), "train_loss": None, "sampled": np.arange(2)})
    append_round(path, {"round": 2, "clients": {"HR@10": (np.float32(0.5),)}})
    assert path.read_text() == (
        '{"round": 1, "train_loss": null, "sampled": [0, 1]}\n'
        '{"round": 2, "clients": {"HR@10": [0.5]}}\n'
    )


@pytest.mark.parametrize("value", [float("nan"), np.float64("inf"), np.array([0.0, np.nan])])
def test_a_nan_is_refused_by_its_key_and_nothing_is_written(tmp_path, value):
    path = tmp_path / "rounds.jsonl"
    with pytest.raises(FedrecError, match=r"round 3: validation\.HR@10.* is (nan|inf)"):
        append_round(path, {"round": 3, "validation": {"HR@10": value}})
    with pytest.raises(FedrecError, match="a missing value is None"):
        write_json(tmp_path / "metrics.json", {"HR@10": value})
    assert list(tmp_path.iterdir()) == []


def test_an_object_that_json_does_not_know_is_refused(tmp_path):
    with pytest.raises(FedrecError, match=r"run\.json: .*set"):
        write_json(tmp_path / "run.json", {"code": {1, 2}})


def test_cutting_back_keeps_the_rounds_up_to_the_checkpoint(tmp_path):
    path = tmp_path / "rounds.jsonl"
    for number in range(5):
        append_round(path, {"round": number})
    whole = path.read_text().splitlines(keepends=True)
    path.write_text(path.read_text() + '{"rou')  # and the run was killed
    cut_rounds(path, 2)
    assert path.read_text() == "".join(whole[:3])


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    write_json(path, {"status": "running"})

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(ResourceError, match=r"run\.json cannot be written: No space left"):
        write_json(path, {"status": "done"})
    assert json.loads(path.read_text()) == {"status": "running"}
    assert list(tmp_path.iterdir()) == [path]  # no draft left


@pytest.mark.parametrize(
    "text",
    [
        *("=1+2", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\t1", " =1+2", "  @SUM(A1)"),
        *(
            "\xa0=1",
            "\u3000=1",
            "\u200b=1",
            "\ufeff=1",
            "\uff1d1+2",
            "\uff0b1",
            "\uff0d1",
            " \uff20SUM(A1)",
        ),
    ],
)
def test_csv_cells_that_start_a_formula_get_an_apostrophe(tmp_path, text):
    path = tmp_path / "items.csv"
    write_csv(path, {"item": [1, 2], "title": [text, "Alien, 3"], "change": np.array([-1.5, 2.0])})
    table = pd.read_csv(path)
    assert list(table["title"]) == ["'" + text, "Alien, 3"]
    assert list(table["change"]) == [-1.5, 2.0]  # a negative number is a number


def test_columns_of_different_lengths_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"users\.csv: columns of different lengths"):
        write_csv(tmp_path / "users.csv", {"user": [0, 1], "rank": [1.0]})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        | TEXT,
        lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
        max_leaves=10,
    )
)  # fmt: skip
def test_what_is_appended_is_what_is_read(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("law") / "rounds.jsonl"
    append_round(path, {"round": 1, "value": value})
    append_round(path, {"round": 2})
    assert read_rounds(path) == ([{"round": 1, "value": value}, {"round": 2}], False)
