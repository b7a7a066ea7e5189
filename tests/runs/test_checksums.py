"""Checksums of a complete run: a file that changed since is refused before it is used."""

import hashlib
import json

import pytest

from fedrec.errors import DataError
from fedrec.inference.opening import open_recommender
from fedrec.runs.checksums import CHECKED, check_files, checksums
from fedrec.runs.record import read_run


@pytest.fixture(scope="module")
def complete(tmp_path_factory, small_config, small_prepared):
    """A complete run of the small federation, and its FEDREC_HOME."""
    import server.run
    from clients.app import app
    from fedrec.config.keys import flatten
    from server.engines.inline import InlineGrid

    folder = tmp_path_factory.mktemp("complete") / "run"
    config = small_config({"run.dir": str(folder)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDREC_HOME", str(small_prepared))
        patch.setattr(server.run, "write_report", lambda path: None)
        grid = InlineGrid(app, config.partition.count, flatten(config))
        server.run.run_server(grid, config, engine="inline", command="test")
    return folder, small_prepared


def ranks_of(folder):
    """Check what a comparison of two runs reads."""
    check_files(folder, read_run(folder).about, "ranks.npz")


def flip(path):
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_complete_run_holds_the_sha256_of_every_file_that_it_is_read_from(complete):
    folder, _ = complete
    about = json.loads((folder / "run.json").read_text())
    assert set(about["files"]) == set(CHECKED)
    for name, sha in about["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha


@pytest.mark.parametrize("name", CHECKED)
def test_one_flipped_bit_is_found_before_the_file_is_used(complete, monkeypatch, name):
    folder, home = complete
    monkeypatch.setenv("FEDREC_HOME", str(home))
    whole = (folder / name).read_bytes()
    flip(folder / name)
    try:
        with pytest.raises(DataError, match=rf"{name} is not the file that the run wrote: its sha"):
            ranks_of(folder) if name == "ranks.npz" else open_recommender(folder)
    finally:
        (folder / name).write_bytes(whole)
    read_run(folder)


def test_missing_files_and_runs_without_checksums_are_left_to_the_reader(tmp_path):
    (tmp_path / "users.csv").write_text("user\n")
    assert list(checksums(tmp_path)) == ["users.csv"]
    check_files(tmp_path, {}, "users.csv")
    check_files(tmp_path, {"files": {"items.csv": "0" * 64}}, "users.csv", "items.csv")
    with pytest.raises(DataError, match=r"users\.csv is not the file"):
        check_files(tmp_path, {"files": {"users.csv": "0" * 64}}, "users.csv")
