"""Checkpoints and the disk: what is durable when, kills while one is written, no room."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fedrec.errors import ResourceError
from server.checkpoints.folder import load_checkpoint, save_checkpoint
from tests.server.checkpoints.small_checkpoints import checkpoint, names, same

ROOT = Path(__file__).parents[3]

# ------------------------------------------------------------------------- power cuts


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """What was made durable or renamed, in order: ("fsync", path) and ("rename", from, to)."""
    seen = []
    real = {name: getattr(os, name) for name in ("fsync", "replace", "rename")}

    def short(path):
        return str(Path(path).relative_to(tmp_path))

    def fsync(descriptor):
        seen.append(("fsync", short(os.readlink(f"/proc/self/fd/{descriptor}"))))
        real["fsync"](descriptor)

    def renaming(name):
        def rename(old, new):
            seen.append(("rename", short(old), short(new)))
            real[name](old, new)

        return rename

    monkeypatch.setattr(os, "fsync", fsync)
    for name in ("replace", "rename"):
        monkeypatch.setattr(os, name, renaming(name))
    return seen


DRAFT = "checkpoints/.round-00005.draft"
FILES = ("weights.safetensors", "best.safetensors", "strategy.safetensors", "state.json")
ALL_IN_THE_DRAFT = [*(("fsync", f"{DRAFT}/{name}") for name in FILES), ("fsync", DRAFT)]
NAMES_ARE_DURABLE = [("fsync", "checkpoints"), ("fsync", ".")]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc here")
def test_a_checkpoint_gets_its_name_when_all_of_it_is_on_the_disk_and_then_the_name_is(
    tmp_path, calls
):
    # No kill shows this: what a process wrote outlives it, but not a power cut.
    save_checkpoint(tmp_path, checkpoint(5))
    named = ("rename", DRAFT, "checkpoints/round-00005")
    assert calls == [*ALL_IN_THE_DRAFT, named, *NAMES_ARE_DURABLE]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc here")
def test_a_checkpoint_that_is_replaced_stays_until_the_new_one_has_its_name(tmp_path, calls):
    save_checkpoint(tmp_path, checkpoint(5))
    calls.clear()
    save_checkpoint(tmp_path, checkpoint(5, size=4))
    named = [
        ("rename", "checkpoints/round-00005", "checkpoints/.round-00005.replaced"),
        ("rename", DRAFT, "checkpoints/round-00005"),
    ]
    assert calls == [*ALL_IN_THE_DRAFT, *named, *NAMES_ARE_DURABLE]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc here")
def test_an_older_checkpoint_goes_only_when_the_new_name_is_durable(tmp_path, calls, monkeypatch):
    for number in (3, 4):
        save_checkpoint(tmp_path, checkpoint(number))
    real, there = os.fsync, []

    def fsync(descriptor):
        there.append("round-00003" in names(tmp_path))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    save_checkpoint(tmp_path, checkpoint(5))
    assert there == [True] * (len(ALL_IN_THE_DRAFT) + len(NAMES_ARE_DURABLE))
    assert names(tmp_path) == ["round-00004", "round-00005"]


# ------------------------------------------------------------------------ kills, full disks


# Imports once, then starts a process for each line that it reads, each going on from the last
# checkpoint as a resumed run does.
SAVES_UNTIL_KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[2]).parent))
from small_checkpoints import checkpoint
from server.checkpoints.folder import load_checkpoint, save_checkpoint
run = Path(sys.argv[1])
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        found, _ = load_checkpoint(run)
        number = 0 if found is None else found.round
        while True:
            number += 1
            save_checkpoint(run, checkpoint(number, size=200_000))
            if number == 1 or found is not None:
                print(os.getpid(), flush=True)
                found = None
    os.waitpid(child, 0)
"""


def wait_for(happens):
    """Wait until something happens, for a minute at most."""
    end = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.0005)


@pytest.mark.slow  # the order of writes and renames is tested above
def test_kill_9_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    rng = np.random.default_rng(0)
    in_a_save, last = 0, 0
    command = [sys.executable, "-c", SAVES_UNTIL_KILLED, str(tmp_path), __file__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as parent:
        for kill in range(12):
            print("go", file=parent.stdin, flush=True)
            saver = int(parent.stdout.readline())  # it has saved once
            time.sleep(rng.uniform(0, 0.05))
            if kill % 2:  # every other one while a draft is being written
                wait_for(lambda: any(tmp_path.glob("checkpoints/.round-*.draft")))
                time.sleep(rng.uniform(0, 0.003))
            os.kill(saver, signal.SIGKILL)
            wait_for(lambda pid=saver: not Path(f"/proc/{pid}").exists())
            found, damages = load_checkpoint(tmp_path)
            assert damages == []
            assert found.round > last
            assert same(found, checkpoint(found.round, size=200_000))
            in_a_save += any(name.endswith(".draft") for name in names(tmp_path))
            last = found.round
        parent.stdin.close()
    assert in_a_save >= 2  # or the moments were not in the middle of saves
    save_checkpoint(tmp_path, checkpoint(last + 1))
    assert len(names(tmp_path)) == 2


@pytest.fixture
def small_files():
    """Files of this process may hold 1 MB: a disk that is full for weights of 200,000 numbers."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_leaves_the_last_checkpoint_intact(tmp_path, small_files):
    save_checkpoint(tmp_path, checkpoint(5))
    with pytest.raises(ResourceError) as caught:
        save_checkpoint(tmp_path, checkpoint(10, size=200_000))
    assert str(caught.value) == (
        f"{tmp_path / 'checkpoints' / 'round-00010'} cannot be written: File too large; "
        "the checkpoint of round 5 is intact"
    )
    assert caught.value.exit_code == 5
    assert names(tmp_path) == ["round-00005"]
    assert same(load_checkpoint(tmp_path)[0], checkpoint(5))


def test_full_disk_at_the_first_checkpoint_says_that_there_is_none(tmp_path, small_files):
    with pytest.raises(ResourceError, match=r"too large; there is no checkpoint before it$"):
        save_checkpoint(tmp_path, checkpoint(5, size=200_000))
    assert load_checkpoint(tmp_path) == (None, [])
