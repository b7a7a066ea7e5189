"""Damaged checkpoints: each damage is named, and the checkpoint before is taken."""

import hashlib
import json
import os
import re
import shutil

import numpy as np
import pytest
from safetensors.numpy import save

import server.checkpoints.content as content
from fedrec.errors import DataError
from server.checkpoints.content import DamagedError, from_files, to_files
from server.checkpoints.folder import load_checkpoint, remove_after, save_checkpoint
from tests.server.checkpoints.small_checkpoints import checkpoint, names, same

PARTS = ("weights", "best", "strategy")


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
