"""A user's own item vectors from parquet, npz and npy."""

import numpy as np
import pandas as pd
import pytest

from fedrec.errors import DataError
from fedrec.semantics.item_vectors import read_vectors

ITEMS = ["b", "7", "a"]
VECTORS = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.5]])


def columns(path):
    pd.DataFrame({"item": ITEMS, "x": VECTORS[:, 0], "y": VECTORS[:, 1]}).to_parquet(path)


def lists(path):
    pd.DataFrame({"vector": VECTORS.tolist(), "item": ITEMS}).to_parquet(path)


def arrays(path):
    np.savez(path, items=np.array(ITEMS), vectors=VECTORS.astype(np.float16))


def structured(path):
    made = np.empty(3, dtype=[("item", "U4"), ("vector", "<f8", (2,))])
    made["item"], made["vector"] = ITEMS, VECTORS
    np.save(path, made)


@pytest.mark.parametrize(
    ("name", "write"),
    [("v.parquet", columns), ("v.parquet", lists), ("v.npz", arrays), ("v.npy", structured)],
)
def test_all_formats_give_the_same_vectors(tmp_path, name, write):
    write(tmp_path / name)
    found = read_vectors(tmp_path / name)
    assert found.items == ITEMS
    assert found.vectors.dtype == np.float32
    np.testing.assert_array_equal(found.vectors, VECTORS)
    assert len(found.sha256) == 64


def numbered(path):
    np.savez(path, items=np.array([3, 1]), vectors=np.ones((2, 1), dtype=np.int64))


def test_ids_that_are_numbers_are_read_as_text(tmp_path):
    numbered(tmp_path / "v.npz")
    assert read_vectors(tmp_path / "v.npz").items == ["3", "1"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"items": ["a", "a"], "vectors": np.ones((2, 2))}, "item 'a' is in it twice"),
        ({"items": ["a"], "vectors": np.ones((2, 2))}, "it has 1 ids and 2 vectors"),
        ({"items": ["a"], "vectors": np.ones(1)}, r"shape \(items, width\), got float64"),
        ({"items": ["a"], "vectors": np.ones((1, 0))}, "got float64 of shape"),
        ({"items": ["a"], "vectors": [["x"]]}, "must be numbers"),
        ({"items": ["a", "b"], "vectors": [[1.0], [np.nan]]}, "vector of item 'b' is not finite"),
        ({"vectors": np.ones((2, 2))}, "it has no array 'items'"),
        ({"items": np.array(["a"], dtype=object), "vectors": np.ones((1, 1))}, "pickle"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_in_one_line(tmp_path, arrays, message):
    np.savez(tmp_path / "v.npz", **arrays)
    with pytest.raises(DataError, match=message) as refused:
        read_vectors(tmp_path / "v.npz")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["v.parquet", "v.npz", "v.npy"])
def test_damaged_and_missing_files_are_told_in_one_line(tmp_path, name):
    with pytest.raises(DataError, match="cannot be read"):
        read_vectors(tmp_path / name)
    (tmp_path / name).write_bytes(b"no such format")
    with pytest.raises(DataError, match=name) as refused:
        read_vectors(tmp_path / name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_an_npz_that_was_cut_short_is_told_in_one_line(tmp_path, kept):
    path = tmp_path / "v.npz"
    np.savez(path, items=np.arange(50), vectors=np.ones((50, 8)))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError, match=r"v\.npz: it is no whole \.npz file: BadZipFile"):
        read_vectors(path)


def test_a_plain_npy_is_told_what_it_lacks(tmp_path):
    np.save(tmp_path / "v.npy", VECTORS)
    with pytest.raises(DataError, match="structured array with the fields item and vector"):
        read_vectors(tmp_path / "v.npy")


def test_parquet_without_ids_or_with_ragged_lists_is_refused(tmp_path):
    pd.DataFrame({"x": [1.0]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="no column 'item'; its columns are"):
        read_vectors(tmp_path / "a.parquet")
    pd.DataFrame({"item": ["a", "b"], "v": [[1.0], [1.0, 2.0]]}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match="lists have different lengths"):
        read_vectors(tmp_path / "b.parquet")
