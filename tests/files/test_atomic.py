import errno
import fcntl
import hashlib
import os
import stat
import sys
from multiprocessing import get_context
from types import ModuleType

import pytest

import fedrec.files.atomic
from fedrec.errors import ResourceError
from fedrec.files.atomic import (
    file_sha256,
    flushed_file,
    lock,
    new_file,
    new_folder,
    read_regular,
    sha256,
    try_lock,
    write_file,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def full(descriptor):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_is_on_the_disk_before_it_takes_the_place_of_the_old_one(tmp_path, monkeypatch):
    path, steps = tmp_path / "a.json", []
    path.write_bytes(b"old")
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda d: (steps.append(path.read_bytes()), fsync(d)))
    monkeypatch.setattr(os, "replace", lambda a, b: (steps.append("replace"), replace(a, b)))
    write_file(path, b"new")
    assert steps == [b"old", "replace"]
    assert (names(tmp_path), path.read_bytes()) == (["a.json"], b"new")


def test_a_full_disk_leaves_the_old_file_and_no_draft(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_file(path, b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match=r"a\.json cannot be written: No space left on device"):
        write_file(path, b"new")
    assert (names(tmp_path), path.read_bytes()) == (["a.json"], b"old")


def test_a_block_that_fails_leaves_no_file(tmp_path):
    def interrupted(path):
        with new_file(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "a")
    assert names(tmp_path) == []


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    with new_file(tmp_path / "a") as first, new_file(tmp_path / "a") as second:
        first.write(b"first")
        second.write(b"second")
    assert (names(tmp_path), (tmp_path / "a").read_bytes()) == (["a"], b"first")  # ended last


def test_the_mode_is_that_of_the_file(tmp_path):
    with new_file(tmp_path / "secret", mode=0o600, durable=False) as file:
        file.write(b"x")
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_a_folder_takes_the_place_of_the_old_one_whole(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "old").touch()
    with new_folder(folder) as draft:
        with flushed_file(draft / "new") as file:
            file.write(b"1")
        assert names(folder) == ["old"]
    assert (names(tmp_path), names(folder)) == (["data"], ["new"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_a_folder_that_cannot_be_filled_leaves_the_old_one(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(OSError, match="No space"),
        new_folder(folder) as draft,
        flushed_file(draft / "new") as file,
    ):
        file.write(b"1")
    assert (names(tmp_path), names(folder)) == (["data"], [])


def test_what_is_hashed_from_a_file_is_its_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == sha256(b"abc") == hashlib.sha256(b"abc").hexdigest()


# ------------------------------------------------------------------------------------ locks


def is_held(path):
    """Whether another process finds the lock taken."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(tries, (path,))


def tries(path):
    descriptor = try_lock(path)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def test_a_lock_is_held_against_other_processes_until_its_end(tmp_path):
    with lock(tmp_path / ".lock"):
        assert is_held(tmp_path / ".lock")
    assert not is_held(tmp_path / ".lock")


def test_a_lock_whose_file_its_holder_removed_is_taken_anew(tmp_path):
    path = tmp_path / ".lock"
    first = try_lock(path)
    path.unlink()
    second = try_lock(path)
    assert second is not None
    assert os.fstat(second).st_ino == path.stat().st_ino != os.fstat(first).st_ino
    os.close(first)
    os.close(second)


@pytest.fixture
def windows(monkeypatch):
    """Python without fcntl and with a msvcrt whose locks are those of this system."""

    def locking(descriptor, mode, count):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    msvcrt = ModuleType("msvcrt")
    msvcrt.LK_NBLCK, msvcrt.locking = 2, locking
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)


@pytest.mark.usefixtures("windows")
def test_without_fcntl_the_first_byte_is_locked(tmp_path):
    first = try_lock(tmp_path / ".lock")
    assert first is not None
    assert try_lock(tmp_path / ".lock") is None
    os.close(first)
    with lock(tmp_path / ".lock"):
        assert try_lock(tmp_path / ".lock") is None


def test_without_any_lock_of_the_system_the_error_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", None)
    with pytest.raises(ResourceError, match="files cannot be locked between processes"):
        try_lock(tmp_path / ".lock")


def test_a_lock_that_another_holds_costs_no_descriptor(tmp_path):
    held = try_lock(tmp_path / "lock")
    descriptors = len(os.listdir("/proc/self/fd"))
    assert [try_lock(tmp_path / "lock") for _ in range(5)] == [None] * 5
    assert len(os.listdir("/proc/self/fd")) == descriptors
    os.close(held)


def test_a_lock_file_that_is_removed_in_between_costs_no_descriptor(tmp_path, monkeypatch):
    path, take, removed = tmp_path / "lock", fedrec.files.atomic._take, []

    def removing(descriptor, *, waits):
        taken = take(descriptor, waits=waits)
        if not removed:  # the holder before us takes its file away
            removed.append(path.unlink())
        return taken

    monkeypatch.setattr(fedrec.files.atomic, "_take", removing)
    descriptors = len(os.listdir("/proc/self/fd"))
    held = try_lock(path)
    assert os.fstat(held).st_ino == path.stat().st_ino
    assert len(os.listdir("/proc/self/fd")) == descriptors + 1
    os.close(held)


def test_only_a_regular_file_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # nobody writes to it: whoever waits for it waits for ever
    (tmp_path / "endless").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path / "endless", tmp_path):
        with pytest.raises(OSError, match=r"no regular file|directory"):
            read_regular(path)
    (tmp_path / "file").write_bytes(b"content")
    assert read_regular(tmp_path / "file") == b"content"
