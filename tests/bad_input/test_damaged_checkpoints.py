"""Damaged checkpoints, histories and private files of a run that is to go on."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

import server.run
from fedrec.errors import DataError
from fedrec.runs.record import load

pytestmark = pytest.mark.usefixtures("undrawn")


def content_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def truncated(path):
    os.truncate(path, path.stat().st_size // 2)


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path):
    os.truncate(path, 0)


NAMES = ("weights.safetensors", "best.safetensors", "strategy.safetensors", "state.json")


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        *((flipped, name) for name in NAMES),
        (truncated, "weights.safetensors"),
        (empty, "state.json"),
        (Path.unlink, "best.safetensors"),
        (shutil.rmtree, ""),
    ],
)
def test_a_damaged_checkpoint_goes_back_to_the_one_before_and_says_so(
    fedrec, stopped, whole, damage, name
):
    damage(stopped / "checkpoints" / "round-00003" / name)
    ended = fedrec("resume", stopped)
    assert ended.code == 0, ended.errors
    [resumed] = json.loads((stopped / "run.json").read_text())["resumed"]
    assert resumed["after"] == 2
    whole(stopped)
    if not name:
        return  # a folder that is gone leaves nobody to say so
    words = f"checkpoint round-00003 cannot be used: {name}"
    for said in (ended.shown, (stopped / "log.txt").read_text(), resumed["notes"][0]):
        assert words in said


def test_when_all_are_damaged_the_run_is_refused_and_nothing_touched(fedrec, refused, stopped):
    flipped(stopped / "checkpoints" / "round-00003" / "weights.safetensors")
    empty(stopped / "checkpoints" / "round-00002" / "state.json")
    before = content_of(stopped)
    refused(
        fedrec("resume", stopped),
        4,
        f"{stopped / 'checkpoints'} holds no intact checkpoint",
        "checkpoint round-00003 cannot be used: weights.safetensors",
        "checkpoint round-00002 cannot be used: state.json",
    )
    assert content_of(stopped) == before


def test_a_history_whose_checkpoints_are_gone_is_not_thrown_away(
    fedrec, run, refused, stopped, stoppable, csv, events, whole
):
    shutil.rmtree(stopped / "checkpoints")
    before = content_of(stopped)
    words = (
        f"{stopped / 'checkpoints'} holds no checkpoint",
        "would discard its history, rounds 0 to 3",
        "put the folder back, or start again with --overwrite",
    )
    for ended in (
        fedrec("resume", stopped),
        fedrec("resume", "--quiet", stopped),
        run(csv(events), *stoppable, "run.resume=true"),
    ):
        refused(ended, 4, *words)
        assert ended.shown == ""
    assert content_of(stopped) == before
    ended = run(csv(events), *stoppable, "run.overwrite=true")
    assert ended.code == 0, ended.errors
    whole(stopped)


def test_a_run_that_was_to_write_no_checkpoint_begins_again(
    fedrec, run, csv, events, whole, monkeypatch, stoppable, fedrec_home
):
    with monkeypatch.context() as patch:
        patch.setattr(server.run, "finalize_run", lambda *_: signal.raise_signal(signal.SIGINT))
        ended = run(csv(events), *stoppable, "run.checkpoint-every=0")
    assert ended.code == 130, ended.errors
    folder = fedrec_home / "runs" / "small"
    assert (folder / "rounds.jsonl").exists()
    assert not (folder / "checkpoints").exists()
    ended = fedrec("resume", folder)
    assert ended.code == 0, ended.errors
    assert "no checkpoint was written yet: starting from the beginning" in ended.shown
    whole(folder)


def test_a_draft_that_a_kill_left_is_no_checkpoint(fedrec, stopped, whole):
    newest = stopped / "checkpoints" / "round-00003"
    shutil.copytree(newest, newest.with_name(".round-00004.draft"))
    ended = fedrec("resume", stopped)
    assert ended.code == 0, ended.errors
    assert [path.name for path in sorted((stopped / "checkpoints").iterdir())] == [
        "round-00003",
        "round-00004",
    ]
    whole(stopped)


def test_a_torn_last_line_of_the_history_is_written_again(fedrec, stopped, whole):
    rounds = stopped / "rounds.jsonl"
    os.truncate(rounds, rounds.stat().st_size - 20)
    ended = fedrec("resume", stopped)
    assert ended.code == 0, ended.errors
    whole(stopped)


def test_a_history_that_lacks_a_round_is_refused(fedrec, refused, stopped):
    lines = (stopped / "rounds.jsonl").read_text().splitlines(keepends=True)
    (stopped / "rounds.jsonl").write_text("".join([lines[0], *lines[2:]]))
    ended = fedrec("resume", stopped)
    refused(ended, 4, str(stopped / "rounds.jsonl"), "lacks rounds [1]")


def test_a_broken_line_of_the_history_is_named(fedrec, refused, stopped):
    lines = (stopped / "rounds.jsonl").read_text().splitlines(keepends=True)
    (stopped / "rounds.jsonl").write_text("".join([lines[0], "{\n", *lines[2:]]))
    refused(fedrec("resume", stopped), 4, f"{stopped / 'rounds.jsonl'} line 2")


def test_a_changed_number_of_the_history_is_neither_continued_nor_shown(fedrec, refused, stopped):
    path = stopped / "rounds.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    record = json.loads(lines[1])
    lines[1] = json.dumps(record | {"targets": record["targets"] + 1}) + "\n"
    path.write_text("".join(lines))
    refused(fedrec("resume", stopped), 4, str(path), "a line was changed")
    with pytest.raises(DataError, match=r"rounds\.jsonl is not the file that the run wrote"):
        load(stopped)


@pytest.mark.parametrize("damage", [flipped, truncated, empty, Path.unlink])
def test_a_damaged_private_file_goes_back_to_the_checkpoint_before(
    fedrec, stopped, whole, fedrec_home, damage
):
    [file] = (fedrec_home / "clients").glob("*/partition-00001/round-00003.safetensors")
    damage(file)
    ended = fedrec("resume", stopped)
    assert ended.code == 0, ended.errors
    [resumed] = json.loads((stopped / "run.json").read_text())["resumed"]
    assert resumed["after"] == 2
    words = "checkpoint round-00003 cannot be used: partition 1: "
    assert resumed["notes"][0].startswith(words)
    assert words in (stopped / "log.txt").read_text()
    whole(stopped)


def test_private_files_that_are_all_gone_are_refused_and_nothing_is_changed(
    fedrec, refused, stopped, fedrec_home
):
    shutil.rmtree(fedrec_home / "clients")
    before = content_of(stopped)
    words = ("checkpoint round-00002 cannot be used: partition 0:", "is missing", "--overwrite")
    refused(fedrec("resume", stopped), 4, *words)
    assert content_of(stopped) == before


def test_a_changed_line_of_the_checkpoints_own_round_is_refused(fedrec, refused, stopped):
    path = stopped / "rounds.jsonl"
    *before, last = path.read_text().splitlines()
    line = json.loads(last)
    line["targets"] += 1
    path.write_text("\n".join([*before, json.dumps(line), ""]))
    kept = content_of(stopped)
    refused(fedrec("resume", stopped), 4, "rounds.jsonl is not what the run wrote: its line")
    log = {stopped / "log.txt": b""}
    assert content_of(stopped) | log == kept | log


def test_a_folder_in_the_place_of_a_file_is_refused_before_the_run_goes_on(
    fedrec, refused, stopped
):
    (stopped / "model.safetensors").unlink()
    (stopped / "model.safetensors").mkdir()
    before = (stopped / "run.json").read_bytes()
    refused(fedrec("resume", stopped), 4, "model.safetensors is no regular file")
    assert (stopped / "run.json").read_bytes() == before
