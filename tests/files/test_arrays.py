"""Damaged NumPy files are a ValueError, whatever Python, numpy or zipfile make of the bytes."""

import io

import numpy as np
import pytest

from fedrec.files.arrays import read_npy, read_npz

NUMBERS = np.arange(24, dtype=np.float32).reshape(6, 4)


def packed(save, *arrays, **named):
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


NPY = packed(np.save, NUMBERS)
NPZ = packed(np.savez_compressed, items=np.arange(6), vectors=NUMBERS)


def test_whole_files_are_read(tmp_path):
    np.testing.assert_array_equal(read_npy(io.BytesIO(NPY)), NUMBERS)
    (tmp_path / "a.npy").write_bytes(NPY)
    assert isinstance(read_npy(tmp_path / "a.npy", mmap_mode="r"), np.memmap)
    found = read_npz(NPZ)
    assert sorted(found) == ["items", "vectors"]
    np.testing.assert_array_equal(found["vectors"], NUMBERS)


@pytest.mark.parametrize("read", [lambda data: read_npy(io.BytesIO(data)), read_npz])
@pytest.mark.parametrize("content", [NPY, NPZ, b"", b"PK", b"\x93NUMPY", b"\x80\x04N."])
def test_damaged_bytes_are_read_or_a_value_error(read, content):
    draw = np.random.default_rng(5)
    kinds = {True: 0, False: 0}
    for _ in range(300):
        damaged = bytearray(
            content[: draw.integers(len(content) + 1)] if draw.random() < 0.5 else content
        )
        for place in draw.integers(0, max(len(damaged), 1), 3)[: len(damaged)]:
            damaged[place] ^= 1 << int(draw.integers(8))
        try:
            read(bytes(damaged))
            kinds[True] += 1
        except ValueError:
            kinds[False] += 1
    assert kinds[False] > 0


def test_a_file_of_the_other_kind_is_refused():
    with pytest.raises(ValueError, match="several names"):
        read_npy(io.BytesIO(NPZ))
    with pytest.raises(ValueError, match="a single array"):
        read_npz(NPY)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_npy(tmp_path / "none.npy", mmap_mode="r")
