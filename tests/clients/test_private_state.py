import contextlib
import hashlib
import itertools
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from clients.private_state import PrivateState, joined_state, split_state
from fedrec.errors import MessageError, ResourceError

TOKEN = "0123456789abcdef"


def arrays(value: float) -> dict[str, np.ndarray]:
    return {"parameter/gate.bias": np.full(3, value, dtype=np.float32)}


def files_of(store):
    return sorted(path.name for path in store.folder.iterdir())


@contextlib.contextmanager
def files_up_to(size):
    """The file-size limit of this process, which a full disk looks like."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_written_after_a_round_is_read_by_its_number_and_digest():
    store = PrivateState(TOKEN, 3)
    first = store.write(1, arrays(1))
    second = store.write(2, arrays(2), keep=[1])
    np.testing.assert_array_equal(store.read(2, second)["parameter/gate.bias"], [2, 2, 2])
    np.testing.assert_array_equal(store.read(1, first)["parameter/gate.bias"], [1, 1, 1])


def test_the_digest_is_that_of_the_file_and_the_same_for_the_same_arrays():
    store, other = PrivateState(TOKEN, 3), PrivateState(TOKEN, 4)
    digest = store.write(1, arrays(1) | {"optimizer/a/step": np.ones(())})
    content = (store.folder / "round-00001.safetensors").read_bytes()
    assert digest == hashlib.sha256(content).hexdigest()
    assert other.write(7, {"optimizer/a/step": np.ones(())} | arrays(1)) == digest
    assert other.write(7, arrays(1)) != digest


def test_before_the_first_accepted_round_there_is_nothing():
    assert PrivateState(TOKEN, 3).read(0, "") == {}


def test_rounds_that_nobody_needs_are_removed():
    store = PrivateState(TOKEN, 3)
    for number in range(1, 8):
        store.write(number, arrays(number), keep={number - 1, 2, 4})
    assert files_of(store) == [f"round-0000{number}.safetensors" for number in (2, 4, 6, 7)]


def test_the_accepted_round_is_kept_however_many_replies_are_lost():
    store = PrivateState(TOKEN, 3)
    store.write(2, arrays(2))
    for number in (3, 4, 9):
        store.write(number, arrays(number), keep=[2])
    assert files_of(store) == ["round-00002.safetensors", "round-00009.safetensors"]


def test_a_turn_that_ends_too_late_takes_nothing_from_a_newer_one():
    store = PrivateState(TOKEN, 3)
    store.write(3, arrays(3))
    digest = store.write(6, arrays(6), keep=[3])
    (store.folder / ".round-00006.draft").touch()  # of a third that is writing right now
    store.write(5, arrays(5), keep=[3])  # the late one: round 5 was over before 6 began
    np.testing.assert_array_equal(store.read(6, digest)["parameter/gate.bias"], [6, 6, 6])
    assert ".round-00006.draft" in files_of(store)


def test_a_name_that_is_not_ours_is_left_alone():
    store = PrivateState(TOKEN, 3)
    store.write(1, arrays(1))
    for name in ("round-abc.safetensors", "notes.txt"):
        (store.folder / name).touch()
    store.write(2, arrays(2))
    assert files_of(store) == ["notes.txt", "round-00002.safetensors", "round-abc.safetensors"]


def test_a_file_that_is_gone_is_an_error_and_no_fresh_start():
    store = PrivateState(TOKEN, 3)
    with pytest.raises(ResourceError, match=r"private file of round 4 is missing in .*emptied"):
        store.read(4, "0" * 64)


DAMAGE = {
    "a flipped bit": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "a flipped bit in the header": lambda content: content[:9] + b"#" + content[10:],
    "cut short": lambda content: content[:-4],
    "empty": lambda content: b"",
    "more than there was": lambda content: content + b"\0",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_private_file_is_refused_with_one_line(damage):
    store = PrivateState(TOKEN, 3)
    digest = store.write(4, arrays(4))
    path = store.folder / "round-00004.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ResourceError) as caught:
        store.read(4, digest)
    assert str(caught.value) == (
        f"private file {path} is not the one the server accepted (sha256 {found[:16]}, expected "
        f"{digest[:16]}); the run cannot go on from here"
    )


def test_a_private_file_that_is_a_folder_is_refused():
    store = PrivateState(TOKEN, 3)
    (store.folder / "round-00004.safetensors").mkdir(parents=True)
    with pytest.raises(ResourceError, match=r"round-00004.* cannot be read: Is a directory"):
        store.read(4, "0" * 64)


def test_a_full_disk_leaves_what_was_there_and_no_draft():
    store = PrivateState(TOKEN, 3)
    digest = store.write(1, arrays(1))
    large = {"parameter/gate.bias": np.zeros(5000)}
    with files_up_to(4096), pytest.raises(ResourceError) as caught:
        store.write(2, large, keep=[1])
    assert str(caught.value) == (
        f"private file {store.folder / 'round-00002.safetensors'} cannot be written: File too large"
    )
    assert files_of(store) == ["round-00001.safetensors"]
    assert store.read(1, digest)
    store.write(2, large, keep=[1])  # there is room again


def test_a_folder_that_cannot_be_made_is_refused(fedrec_home):
    fedrec_home.mkdir()
    (fedrec_home / "clients").touch()
    with pytest.raises(ResourceError, match=r"round-00001\S+ cannot be written: Not a directory"):
        PrivateState(TOKEN, 3).write(1, arrays(1))


WRITERS = """
import os, signal, time
import numpy as np
from clients.private_state import PrivateState
for place in range({count}):
    if (writer := os.fork()) == 0:
        store = PrivateState({token!r}, {first} + place)
        for round in range(1, 10**6):
            store.write(round, {{"a": np.full(200_000, float(round))}}, keep=[round - 1])
    time.sleep(0.002 + 0.0017 * place)
    os.kill(writer, signal.SIGKILL)
    os.wait()
"""


@pytest.mark.slow  # test_train_partition kills one in the middle of a file
def test_a_writer_that_is_killed_at_any_time_leaves_whole_files_only():
    whole = drafts = 0
    for first in range(0, 200, 20):
        more_whole, more_drafts = killed_writers(first, 20)
        whole, drafts = whole + more_whole, drafts + more_drafts
        if whole and drafts:
            break
    assert whole
    assert drafts  # some were killed while they wrote


def killed_writers(first, count):
    """How many whole files and drafts writers left who were killed at different times."""
    root = Path(__file__).parent.parent.parent
    script = WRITERS.format(token=TOKEN, first=first, count=count)
    subprocess.run([sys.executable, "-c", script], cwd=root, check=True)
    whole = drafts = 0
    for store in (PrivateState(TOKEN, first + place) for place in range(count)):
        names = files_of(store) if store.folder.exists() else []
        for name in names:
            if name.startswith("."):
                drafts += 1
                continue
            found = load_file(store.folder / name)["a"]
            assert found.shape == (200_000,)
            assert (found == int(name[6:11])).all()
            whole += 1
        store.write(99_999, arrays(1))
        assert files_of(store) == ["round-99999.safetensors"]  # whatever was left is swept up
    return whole, drafts


def test_partitions_and_runs_do_not_meet():
    pairs = itertools.product((TOKEN, TOKEN[::-1]), (0, 1))
    assert len({PrivateState(token, partition).folder for token, partition in pairs}) == 4


def test_deleting_leaves_nothing():
    one, other = PrivateState(TOKEN, 3), PrivateState(TOKEN, 4)
    one.write(1, arrays(1))
    other.write(1, arrays(1))
    (one.folder / ".round-00002.draft").touch()
    one.delete()
    assert not one.folder.exists()
    assert other.folder.exists()
    one.delete()  # a second time is no error
    other.delete()
    assert not one.folder.parent.exists()


@pytest.mark.parametrize("token", ["../../etc/cron", "", "XYZ", "0" * 7, "0" * 65, "0123456 "])
def test_a_token_that_is_no_hexadecimal_name_is_refused(token):
    with pytest.raises(MessageError, match="run token must be 8 to 64 hexadecimal digits"):
        PrivateState(token, 0)


@pytest.mark.parametrize("length", [8, 9, 63, 64])
def test_a_token_has_8_to_64_digits(length):
    assert PrivateState("0a" * (length // 2) + "f" * (length % 2), 0).folder.parent.name


NAMES = st.dictionaries(st.text("abc./", min_size=1, max_size=9), st.just(np.zeros(1)), max_size=4)


@given(NAMES, NAMES)
def test_joined_state_comes_apart_again(parameters, optimizer):
    found = split_state(joined_state(parameters, optimizer))
    assert [part.keys() for part in found] == [parameters.keys(), optimizer.keys()]
