import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pytest

from fedrec.errors import ConfigError, ResourceError
from fedrec.semantics.cache import array_sha256, cached_array

NUMBERS = np.arange(6, dtype=np.float32).reshape(2, 3)


def build_once(folder: Path) -> tuple[np.ndarray, dict]:
    with (folder.parent / "builds.log").open("a") as log:
        log.write("built\n")
    return NUMBERS, {"note": "six"}


def builds(folder: Path) -> int:
    return len((folder.parent / "builds.log").read_text().splitlines())


def ask(folder: Path) -> tuple[np.ndarray, dict]:
    return cached_array(folder, lambda: build_once(folder))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "home" / "semantics" / "abc"


@pytest.fixture
def stored(tmp_path):
    folder = tmp_path / "abc"
    ask(folder)
    return folder


def test_the_array_is_built_once_and_opened_from_then_on(stored):
    vectors, manifest = ask(stored)
    assert builds(stored) == 1
    np.testing.assert_array_equal(vectors, NUMBERS)
    assert manifest["note"] == "six"
    assert manifest["sha256"] == array_sha256(NUMBERS)
    assert [path.name for path in stored.parent.glob(".*")] == []  # no temporary left


def test_the_array_is_mapped_and_cannot_be_written(stored):
    vectors, _ = ask(stored)
    assert isinstance(vectors, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        vectors[0, 0] = 1.0


@pytest.mark.parametrize("name", ["vectors.npy", "manifest.json"])
@pytest.mark.parametrize("place", [0, 20, -1, -7])
def test_a_flipped_byte_anywhere_is_built_again(stored, name, place, caplog):
    path = stored / name
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    vectors, _ = ask(stored)
    np.testing.assert_array_equal(vectors, NUMBERS)
    assert builds(stored) == 2
    assert "is damaged and is built again" in caplog.text


def test_a_manifest_that_was_edited_is_built_again(stored):
    path = stored / "manifest.json"
    path.write_text(path.read_text().replace("six", "ten"))
    assert ask(stored)[1]["note"] == "six"
    assert builds(stored) == 2


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff"])
@pytest.mark.parametrize("name", ["vectors.npy", "manifest.json"])
def test_a_cut_or_empty_file_is_built_again(stored, name, content):
    (stored / name).write_bytes(content)
    np.testing.assert_array_equal(ask(stored)[0], NUMBERS)
    assert builds(stored) == 2


@pytest.mark.slow
def test_processes_that_ask_at_once_build_once(tmp_path):
    folder = tmp_path / "abc"
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.map(_ask_slowly, [folder] * 3, chunksize=1)
    assert builds(folder) == 1


def _ask_slowly(folder: Path) -> None:
    def build() -> tuple[np.ndarray, dict]:
        time.sleep(1)  # long enough for the others to ask as well
        return build_once(folder)

    cached_array(folder, build)


def test_an_error_of_the_builder_passes_and_leaves_nothing(folder):
    def refuse() -> tuple[np.ndarray, dict]:
        raise ConfigError("no such encoder")

    with pytest.raises(ConfigError, match="no such encoder"):
        cached_array(folder, refuse)
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_names_the_setting_to_change(folder):
    folder.parent.parent.write_text("a file where the home should be")
    with pytest.raises(ResourceError, match="set FEDREC_HOME"):
        cached_array(folder, lambda: (NUMBERS, {}))


def test_a_full_disk_leaves_nothing_behind(folder, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match="No space left on device"):
        cached_array(folder, lambda: (NUMBERS, {}))
    assert [path.name for path in folder.parent.iterdir()] == ["abc.lock"]
