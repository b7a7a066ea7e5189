"""A run folder that is deleted, moved or emptied while the run goes on; files left by a kill."""

import shutil

import pytest

import server.run
from fedrec.errors import ResourceError
from fedrec.runs.record import read_json


def delete(folder):
    shutil.rmtree(folder)


def move(folder):
    folder.rename(folder.with_name("elsewhere"))


def replace(folder):
    """Put another run's folder in its place."""
    move(folder)
    folder.mkdir()
    (folder / "run.json").write_text('{"status": "other"}')


def empty(folder):
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def shorten(folder):
    with (folder / "rounds.jsonl").open("r+") as file:
        file.truncate(20)


@pytest.mark.parametrize(
    ("happens", "seen"),
    [
        (delete, "is gone"),
        (move, "is gone"),
        (replace, "is another folder now"),
        (empty, "has lost config.toml"),
        (shorten, "has another rounds.jsonl than this run wrote"),
    ],
)
@pytest.mark.parametrize("round", [1, 2])  # 2 is the last round
def test_a_run_whose_folder_is_lost_does_not_end_done(
    run_inline, small_config, tmp_path, happens, seen, round
):
    folder = tmp_path / "run"

    def on_round(line):
        if line["round"] == round:
            happens(folder)

    changes = {"run.checkpoint-every": 1, "federation.rounds": 2}
    with pytest.raises(ResourceError, match=f"run folder .*run {seen}; it was deleted") as raised:
        run_inline(small_config(changes), folder, on_round=on_round)
    assert raised.value.exit_code == 5
    if happens in (delete, move):
        assert not folder.exists()  # no half run in its place
    if happens is replace:
        assert read_json(folder / "run.json") == {"status": "other"}
        assert [path.name for path in folder.iterdir()] == ["run.json"]


def test_private_files_of_a_run_killed_at_its_end_go_when_it_is_resumed(
    run_inline, small_config, small_home, tmp_path, monkeypatch
):
    changes = {"model.private": "gate-bias", "run.checkpoint-every": 1}
    with monkeypatch.context() as patch:
        patch.setattr(server.run, "clean_up_clients", lambda context, folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_inline(small_config(changes), tmp_path / "run")
    assert read_json(tmp_path / "run" / "run.json")["status"] == "done"
    assert len(list((small_home / "clients").iterdir())) == 1
    run_inline(small_config(changes | {"run.resume": True}), tmp_path / "run")
    assert list((small_home / "clients").iterdir()) == []
    assert read_json(tmp_path / "run" / "run.json")["client_state"] == "deleted"
