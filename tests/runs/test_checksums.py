"""Checksums of a complete run: a file that changed since is refused before it is used."""

import hashlib
import json

import pytest

from experiments.resume import config_of, where_it_goes_on
from fedrec.config.start_file import COPY
from fedrec.errors import DataError
from fedrec.inference.opening import open_recommender
from fedrec.runs.checksums import CHECKED, check_files, checksums
from fedrec.runs.record import read_run
from fedrec.runs.write import write_about
from server.checkpoints.resume import is_complete

ALWAYS = tuple(name for name in CHECKED if name != COPY)  # that is of run.start-from


@pytest.fixture
def complete(run_copy, small_config):
    """The test's own copy of the folder of a complete run."""
    return run_copy(small_config())


def ranks_of(folder):
    """Check what a comparison of two runs reads."""
    check_files(folder, read_run(folder).about, "ranks.npz")


def flip(path):
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_complete_run_holds_the_sha256_of_every_file_that_it_is_read_from(complete):
    folder = complete
    about = json.loads((folder / "run.json").read_text())
    assert set(about["files"]) == set(ALWAYS)
    for name, sha in about["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha


@pytest.mark.parametrize("name", ALWAYS)
def test_one_flipped_bit_is_found_before_the_file_is_used(complete, name):
    read_run(complete)
    flip(complete / name)
    with pytest.raises(DataError, match=rf"{name} is not the file that the run wrote: its sha"):
        ranks_of(complete) if name == "ranks.npz" else open_recommender(complete)


def test_missing_files_and_runs_without_checksums_are_left_to_the_reader(tmp_path):
    (tmp_path / "users.csv").write_text("user\n")
    assert list(checksums(tmp_path)) == ["users.csv"]
    check_files(tmp_path, {}, "users.csv")
    check_files(tmp_path, {"files": {"items.csv": "0" * 64}}, "users.csv", "items.csv")
    with pytest.raises(DataError, match=r"users\.csv is not the file"):
        check_files(tmp_path, {"files": {"users.csv": "0" * 64}}, "users.csv")


@pytest.mark.parametrize("name", ["items.csv", "model.safetensors", "ranks.npz"])
def test_a_complete_run_that_was_damaged_is_not_taken_for_done(run_copy, small_config, name):
    folder = run_copy(small_config())
    config = config_of(folder, trust=False)
    assert is_complete(folder, config)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    with pytest.raises(DataError, match=f"{name} is not the file that the run wrote"):
        is_complete(folder, config)
    (folder / name).unlink()
    for target in (name, "/dev/zero"):
        (folder / name).symlink_to(target)
        with pytest.raises(DataError, match=f"{name} is no regular file"):
            is_complete(folder, config)
        (folder / name).unlink()


@pytest.mark.parametrize("key", ["seed", "name", "started"])
def test_a_changed_fact_of_run_json_is_refused(complete, key):
    path = complete / "run.json"
    about = json.loads(path.read_text())
    about[key] = about[key] + 1 if key == "seed" else about[key][:-1] + "#"
    path.write_text(json.dumps(about))
    with pytest.raises(DataError, match=r"run.json is not as the run wrote it.* 'sha256'"):
        read_run(complete)
    del about["sha256"]
    path.write_text(json.dumps(about))
    assert read_run(complete).about[key] == about[key]


def test_layout_and_order_of_run_json_do_not_matter(complete):
    path = complete / "run.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(about.items())), indent=7))
    assert read_run(complete).about == about


def test_a_complete_run_that_has_lost_a_file_is_not_called_done(complete):
    (complete / "metrics.json").unlink()
    with pytest.raises(DataError, match=r"is done, but metrics.json is missing"):
        where_it_goes_on(complete)


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_a_changed_config_of_a_run_on_its_way_is_not_shown(complete, status):
    about = json.loads((complete / "run.json").read_text()) | {"status": status}
    del about["files"]
    write_about(complete / "run.json", about)
    read_run(complete)
    config = complete / "config.toml"
    config.write_text(config.read_text().replace("seed = ", "seed = 1"))
    with pytest.raises(DataError, match="is not the file that the run wrote, by which its rounds"):
        read_run(complete)
