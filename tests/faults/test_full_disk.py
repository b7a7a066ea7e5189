"""Disks that are really full: the last checkpoint stays, exit code 5, and on it goes with room."""

import resource

import numpy as np
import pytest

from experiments.reproducibility.verify import compare
from fedrec.config.keys import read_config
from fedrec.errors import ResourceError
from server.checkpoints.folder import load_checkpoint


@pytest.fixture
def full_after():
    """``on_round, fillers = full_after(fill, number)``: the disk is full after that round."""

    def arrange(fill, number):
        fillers = []

        def on_round(line):
            if line["round"] == number:
                fillers.append(fill())

        return on_round, fillers

    return arrange


@pytest.mark.slow
def test_a_disk_that_is_full_while_saving_leaves_the_last_checkpoint_intact(
    run_inline, run_once, not_easy, tmp_path, small_disk, full_after
):
    config, folder = not_easy({"run.checkpoint-every": 1}), tmp_path / "disk" / "run"
    on_round, fillers = full_after(small_disk(folder.parent, 4096), 2)
    with pytest.raises(ResourceError) as end:
        run_inline(config, folder, on_round=on_round)
    assert end.value.exit_code == 5
    assert str(folder / "checkpoints" / "round-00003") in str(end.value)
    assert "No space left on device; the checkpoint of round 2 is intact" in str(end.value)
    assert load_checkpoint(folder)[0].round == 2
    fillers[0].unlink()
    run_inline(read_config({"run.resume": True}, config), folder)
    assert compare(run_once(config), folder) == []


@pytest.mark.slow
def test_a_disk_that_is_full_for_the_history_ends_the_run_with_5(
    run_inline, run_once, not_easy, tmp_path, small_disk, full_after
):
    config, folder = not_easy({"run.checkpoint-every": 2}), tmp_path / "disk" / "run"
    on_round, fillers = full_after(small_disk(folder.parent, 4096), 2)
    with pytest.raises(ResourceError, match=r"cannot .*No space left on device") as end:
        run_inline(config, folder, on_round=on_round)
    assert end.value.exit_code == 5
    fillers[0].unlink()
    run_inline(read_config({"run.resume": True}, config), folder)
    assert compare(run_once(config), folder) == []


def test_a_full_disk_at_the_clients_ends_the_run_with_5_and_their_words(
    run_inline, run_once, not_easy, tmp_path, fedrec_home, small_disk, full_after, about
):
    config, folder = not_easy({"run.checkpoint-every": 1}), tmp_path / "run"
    on_round, fillers = full_after(small_disk(fedrec_home / "clients", 4096), 2)
    with pytest.raises(ResourceError) as end:
        run_inline(config, folder, on_round=on_round)
    assert end.value.exit_code == 5
    assert "private file" in str(end.value)
    assert "cannot be written: No space left on device" in str(end.value)
    ended = about(folder)
    assert (ended["status"], ended["exit_code"]) == ("failed", 5)
    assert load_checkpoint(folder)[0].round == 2
    fillers[0].unlink()
    run_inline(read_config({"run.resume": True}, config), folder)
    assert compare(run_once(config), folder) == []


def test_a_disk_that_is_full_for_the_ranks_ends_the_run_with_5_and_leaves_no_half_of_them(
    run_inline, run_once, not_easy, tmp_path, strike
):
    config, folder = not_easy({"run.checkpoint-every": 1}), tmp_path / "run"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # All that a run leaves before its ranks is there already: no file may grow beyond 100 bytes.
    limit = (100, before[1])
    strike(np, "savez_compressed", 1, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    try:
        with pytest.raises(ResourceError) as end:
            run_inline(config, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(end.value) == f"{folder / 'ranks.npz'} cannot be written: File too large"
    assert end.value.exit_code == 5
    assert (folder / "items.csv").exists()
    assert [path.name for path in folder.iterdir() if "ranks" in path.name] == []
    run_inline(read_config({"run.resume": True}, config), folder)
    assert compare(run_once(config), folder) == []
