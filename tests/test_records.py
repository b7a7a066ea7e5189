"""Arrays in messages: the bytes that Flower and numpy write, read as numpy reads them."""

import numpy as np
import pytest
from flwr.app import Array

from fedrec import records
from fedrec.records import array_in, array_record

ARRAYS = (
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.arange(6, dtype=">f8"),
    np.arange(12, dtype=np.int64).reshape(3, 4)[:, ::2],
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.float16(2.5).reshape(()),
    np.zeros((0, 3)),
    np.array([True, False]),
    np.array(["ab", "c"]),
    np.zeros(2, dtype=[("x", "i4"), ("y", "f8")]),
)


@pytest.fixture(autouse=True)
def no_headers(monkeypatch):
    """Nothing is known of any header."""
    monkeypatch.setattr(records, "_written", {})
    monkeypatch.setattr(records, "_read", {})


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_bytes_are_those_of_flower_the_first_time_and_later(array):
    for _ in range(3):
        [made] = array_record({"a": array}).values()
        expected = Array(np.asarray(array, order="C"))
        assert (made.dtype, made.shape, made.stype) == (
            expected.dtype,
            expected.shape,
            expected.stype,
        )
        assert made.data == expected.data
        found = array_in(made)
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found, array)
        assert found.flags.writeable
        assert not np.shares_memory(found, array_in(made))


def test_values_are_those_of_the_message_and_not_of_one_before():
    ones, twos = (array_record({"a": np.full((2, 2), value)})["a"] for value in (1.0, 2.0))
    assert [array_in(one).tolist() for one in (ones, twos)] == [[[1, 1]] * 2, [[2, 2]] * 2]


def test_arrays_of_one_size_keep_their_shapes_and_dtypes():
    for shape, dtype in (((2, 3), "f4"), ((3, 2), "f4"), ((6,), "f4"), ((6,), "i4")):
        found = array_in(array_record({"a": np.ones(shape, dtype)})["a"])
        assert (found.shape, found.dtype) == (shape, dtype)


def test_an_array_in_the_order_of_fortran_is_read_as_it_is_the_second_time_too():
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    for _ in range(3):
        np.testing.assert_array_equal(array_in(Array(array)), array)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: data[:9],
        lambda data: b"",
        lambda data: b"\0" + data[1:],
        lambda data: data.replace(b"'<f8'", b"'|O8'"),
        lambda data: data.replace(b"(2, 3)", b"(2, 4)"),
    ],
)
def test_bytes_that_are_no_array_stay_none_after_a_good_one_was_read(spoil):
    good = Array(np.arange(6.0).reshape(2, 3))
    for _ in range(2):
        assert array_in(good) is not None
        assert array_in(Array("float64", (2, 3), good.stype, spoil(good.data))) is None
        assert array_in(Array("float64", (2, 3), "pickle", good.data)) is None


def test_items_of_no_bytes_are_read_as_by_numpy():
    plain = Array(np.arange(6.0).reshape(2, 3))
    odd = Array("V0", (2, 3), plain.stype, plain.data.replace(b"'<f8'", b"'|V0'")[:128])
    for _ in range(3):
        assert array_in(odd).dtype.itemsize == 0


def test_what_follows_an_array_is_ignored_as_by_numpy():
    good = Array(np.arange(6.0))
    longer = Array("float64", (6,), good.stype, good.data + b"more")
    for one in (longer, good, longer):
        np.testing.assert_array_equal(array_in(one), np.arange(6.0))


def test_foreign_headers_fill_no_memory(monkeypatch):
    monkeypatch.setattr(records, "MOST_HEADERS", 5)
    for length in range(1, 9):
        [made] = array_record({"a": np.arange(length)}).values()
        assert array_in(made).tolist() == list(range(length))
    assert len(records._written) == len(records._read) == 5
