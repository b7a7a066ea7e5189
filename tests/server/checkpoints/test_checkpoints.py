import dataclasses
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from safetensors.numpy import load_file, save

import server.checkpoints.content as content
from fedrec.errors import DataError
from server.aggregation.strategy_state import Snapshot
from server.checkpoints.content import DamagedError, from_files, to_files
from server.checkpoints.folder import Checkpoint, load_checkpoint, remove_after, save_checkpoint
from server.state import AcceptedReply, ServerState
from tests.server.checkpoints.small_checkpoints import checkpoint, names, same

PARTS = ("weights", "best", "strategy")
ROOT = Path(__file__).parents[3]


# ------------------------------------------------------------------------------- round trip


ARRAYS = st.dictionaries(
    st.text(min_size=1, max_size=4).filter(lambda name: name != "__metadata__"),
    st_numpy.arrays(np.float64, st_numpy.array_shapes(min_dims=0, max_dims=2, min_side=0)),
    max_size=3,
)
PARTITIONS = st.integers(0, 9)
REPLIES = st.dictionaries(
    PARTITIONS, st.builds(AcceptedReply, st.integers(0), st.text()), max_size=3
)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
FIELDS = {
    "weights": ARRAYS,
    "accepted": REPLIES,
    "best": ARRAYS,
    "best_accepted": REPLIES,
    "best_round": st.integers(0),
    "best_value": FINITE,
    "evals_without_improvement": st.integers(0),
    "elapsed": FINITE,
    "targets": st.integers(0),
    "megabytes": FINITE,
    "participants": st.text("0123456789abcdef"),
    "checkpoints": st.lists(st.dictionaries(PARTITIONS, st.sets(PARTITIONS)), max_size=2),
    "traceback": st.text(),
}


@given(st.builds(ServerState, **FIELDS))
def test_a_state_comes_back_bit_for_bit(state):
    one = Checkpoint(line={"round": 1}, state=state, strategy=Snapshot({}, {}))
    assert same(from_files(to_files(one).__getitem__), one)


def test_every_field_of_the_state_is_generated():
    # A new one would be saved and loaded with its default alone.
    assert set(FIELDS) == {one.name for one in dataclasses.fields(ServerState)}


def test_a_run_without_checkpoints_has_none(tmp_path):
    assert load_checkpoint(tmp_path) == (None, [])
    (tmp_path / "checkpoints").mkdir()
    assert load_checkpoint(tmp_path) == (None, [])


def test_what_is_saved_is_loaded(tmp_path):
    save_checkpoint(tmp_path, checkpoint(5))
    found, damages = load_checkpoint(tmp_path)
    assert same(found, checkpoint(5))
    assert damages == []
    found.state.weights["z"] += 1  # and can be worked on in place


def test_numbers_of_numpy_in_a_line_become_plain(tmp_path):
    line = {"round": np.int64(2), "loss": np.float32(0.5), "sampled": np.arange(2)}
    checkpoint = Checkpoint(line=line, state=ServerState({}), strategy=Snapshot({}, {}))
    save_checkpoint(tmp_path, checkpoint)
    assert load_checkpoint(tmp_path)[0].line == {"round": 2, "loss": 0.5, "sampled": [0, 1]}


def test_the_files_are_plain_safetensors_and_json(tmp_path):
    folder = save_checkpoint(tmp_path, checkpoint(5))
    assert names(tmp_path) == ["round-00005"]
    files = sorted(path.name for path in folder.iterdir())
    assert files == [
        "best.safetensors",
        "state.json",
        "strategy.safetensors",
        "weights.safetensors",
    ]
    assert load_file(folder / "weights.safetensors")["a"] == 5.0
    assert json.loads((folder / "state.json").read_text())["state"]["best_value"] == 0.1 + 0.2


# ------------------------------------------------------------------------- which are kept


def test_the_last_two_are_kept(tmp_path):
    for number in (5, 10, 15, 99999, 100000):  # the last is longer, and not the last by name
        save_checkpoint(tmp_path, checkpoint(number))
    assert names(tmp_path) == ["round-100000", "round-99999"]
    assert load_checkpoint(tmp_path)[0].round == 100000


def test_those_after_the_round_that_a_run_goes_on_from_are_removed(tmp_path):
    for number in (5, 10):
        save_checkpoint(tmp_path, checkpoint(number))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "checkpoints" / "round-00015").symlink_to(tmp_path / "elsewhere")
    remove_after(tmp_path, 5)
    assert names(tmp_path) == ["round-00005"]
    assert (tmp_path / "elsewhere").is_dir()


def test_a_later_checkpoint_does_not_push_out_the_one_before(tmp_path):
    for number in (5, 10):
        save_checkpoint(tmp_path, checkpoint(number))
    (tmp_path / "checkpoints" / "round-00010" / "state.json").unlink()
    save_checkpoint(tmp_path, checkpoint(6))  # gone on from 5, without remove_after
    assert "round-00005" in names(tmp_path)


def test_a_round_that_is_saved_again_is_replaced(tmp_path):
    save_checkpoint(tmp_path, checkpoint(5))
    save_checkpoint(tmp_path, checkpoint(5, size=4))
    assert names(tmp_path) == ["round-00005"]
    assert load_checkpoint(tmp_path)[0].state.weights["z"].size == 4


def test_a_kill_between_the_two_renames_of_a_replacement_loses_nothing(tmp_path):
    folder = save_checkpoint(tmp_path, checkpoint(5))
    folder.rename(folder.with_name(".round-00005.replaced"))
    assert same(load_checkpoint(tmp_path)[0], checkpoint(5))
    save_checkpoint(tmp_path, checkpoint(10))
    assert names(tmp_path) == ["round-00010"]


def test_the_drafts_of_killed_processes_are_removed(tmp_path):
    draft = tmp_path / "checkpoints" / ".round-00005.draft"
    draft.mkdir(parents=True)
    (draft / "weights.safetensors").write_bytes(b"half")
    assert load_checkpoint(tmp_path) == (None, [])
    save_checkpoint(tmp_path, checkpoint(10))
    assert names(tmp_path) == ["round-00010"]


# --------------------------------------------------------------------------------- damage


def flip(path, bit):
    data = bytearray(path.read_bytes())
    bit %= 8 * len(data)
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def reseal(folder, **changes):
    """Another program's state.json, whose sha256 is right."""
    facts = json.loads((folder / "state.json").read_text())
    del facts["self"]
    (folder / "state.json").write_bytes(content._sealed(facts | changes))


def resaved(folder, arrays):
    """Other arrays in weights.safetensors, and their sha256 in state.json."""
    (folder / "weights.safetensors").write_bytes(save(arrays))
    facts = json.loads((folder / "state.json").read_text())["files"]
    digest = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    facts["weights"]["sha256"] = digest
    reseal(folder, files=facts)


def of_next_round(folder):
    shutil.copytree(folder, folder.with_name("other"))
    shutil.rmtree(folder)
    folder.with_name("other").rename(folder)
    reseal(folder, line={"round": 11})


def as_symlink(folder):
    real = folder.parent.parent / "real"
    folder.rename(real)
    folder.symlink_to(real)


def file_as_symlink(folder):
    real = folder.parent.parent / "real"
    (folder / "best.safetensors").rename(real)
    (folder / "best.safetensors").symlink_to(real)


def as_file(folder):
    shutil.rmtree(folder)
    folder.write_bytes(b"")


def cut(name):
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size // 2)


def emptied(name):
    return lambda folder: os.truncate(folder / name, 0)


def written(text):
    return lambda folder: (folder / "state.json").write_bytes(text)


NO_SEAL = r"state.json \(\d+ bytes\) has not the sha256 that it ends with"
NO_HASH = r"{}.safetensors \(\d+ bytes\) has not the sha256 that state.json says"
DAMAGES = [
    *[pytest.param(cut(f"{p}.safetensors"), NO_HASH.format(p), id=f"cut-{p}") for p in PARTS],
    *[pytest.param(emptied(f"{p}.safetensors"), NO_HASH.format(p), id=f"empty-{p}") for p in PARTS],
    *[
        pytest.param(
            lambda f, p=p: (f / f"{p}.safetensors").unlink(),
            rf"{p}.safetensors is missing",
            id=f"missing-{p}",
        )
        for p in PARTS
    ],
    *[
        pytest.param(
            lambda f, p=p: flip(f / f"{p}.safetensors", -9), NO_HASH.format(p), id=f"flipped-{p}"
        )
        for p in PARTS
    ],
    pytest.param(cut("state.json"), NO_SEAL, id="cut-state"),
    pytest.param(emptied("state.json"), NO_SEAL, id="empty-state"),
    pytest.param(lambda f: flip(f / "state.json", 1000), NO_SEAL, id="flipped-state"),
    pytest.param(lambda f: (f / "state.json").unlink(), "state.json is missing", id="no-state"),
    pytest.param(written(b"not JSON"), NO_SEAL, id="not-json"),
    pytest.param(written(b"[" * 10**5), NO_SEAL, id="deep-json"),
    pytest.param(written(b'{"round": NaN}'), NO_SEAL, id="nan"),
    pytest.param(
        lambda f: reseal(f, format=2), r"format 2; this version reads format 4", id="format"
    ),
    pytest.param(
        lambda f: reseal(f, files={}), r"state.json is not what format 4 says \(KeyErr", id="files"
    ),
    pytest.param(
        lambda f: reseal(f, state={"best_round": 1}), r"state.json is not what", id="state"
    ),
    pytest.param(of_next_round, r"it holds round 11", id="round"),
    pytest.param(
        lambda f: resaved(f, {"z": np.ones(1), "a": np.ones(1), "x": np.ones(1)}),
        r"weights.safetensors holds \['a', 'x', 'z'\], state.json says \['z', 'a'\]",
        id="extra-array",
    ),
    pytest.param(
        lambda f: resaved(f, {"z": np.ones(1)}),
        r"weights.safetensors holds \['z'\]",
        id="missing-array",
    ),
    pytest.param(as_symlink, "it is no folder", id="symlink"),
    pytest.param(file_as_symlink, "best.safetensors is missing", id="file-symlink"),
    pytest.param(as_file, "it is no folder", id="file"),
]


@pytest.mark.parametrize(("damage", "shown"), DAMAGES)
def test_damaged_checkpoint_the_one_before_is_taken_and_it_is_said(tmp_path, damage, shown):
    save_checkpoint(tmp_path, checkpoint(5))
    damage(save_checkpoint(tmp_path, checkpoint(10)))
    found, damages = load_checkpoint(tmp_path)
    assert same(found, checkpoint(5))
    (line,) = damages
    assert re.match(f"checkpoint round-00010 cannot be used: {shown}", line), line


def test_a_flipped_bit_is_found_in_every_byte_of_every_file():
    files = to_files(checkpoint(5))
    for name, intact in files.items():
        for position in range(len(intact)):
            damaged = bytearray(intact)
            damaged[position] ^= 1 << position % 8
            with pytest.raises(DamagedError):
                from_files((files | {name: bytes(damaged)}).__getitem__)


def test_when_all_are_damaged_each_is_named(tmp_path):
    for number in (5, 10):
        emptied("best.safetensors")(save_checkpoint(tmp_path, checkpoint(number)))
    with pytest.raises(DataError, match=r"holds no intact checkpoint: .*round-00010.*; .*-00005 "):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["round-abc", "round-5", "round-00005.draft", "notes.txt"])
def test_what_has_another_name_is_no_checkpoint(tmp_path, name):
    folder = save_checkpoint(tmp_path, checkpoint(5))
    shutil.copytree(folder, folder.with_name(name))
    assert load_checkpoint(tmp_path)[1] == []
    remove_after(tmp_path, 0)
    assert names(tmp_path) == [name]


def test_nothing_is_unpickled(tmp_path):
    folder = save_checkpoint(tmp_path, checkpoint(5))
    witness = tmp_path / "witness"
    pickled = b"cos\nsystem\n(S'touch " + str(witness).encode() + b"'\ntR."
    for path in folder.iterdir():
        path.write_bytes(pickled)
    with pytest.raises(DataError):
        load_checkpoint(tmp_path)
    assert not witness.exists()
