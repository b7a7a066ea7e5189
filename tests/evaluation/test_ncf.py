"""NCF's fixed negatives: their layout, their numbering, and that they fit MovieLens 1M."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fedrec.errors import DataError
from fedrec.evaluation.ncf import item_order, ncf_candidates, read_ncf

NAME = "ml-1m.test.negative"


def lines(*pairs):
    """Lines of NCF's file with negatives 10, 11, ..., 108 for every (user, item)."""
    negatives = "\t".join(str(item) for item in range(10, 109))
    return "".join(f"({user},{item})\t{negatives}\n" for user, item in pairs)


@pytest.fixture
def fixed(tmp_path):
    (tmp_path / NAME).write_text(lines((0, 3), (1, 5)))
    return read_ncf(tmp_path / NAME)


def test_users_count_from_one_and_items_as_in_the_file(fixed):
    assert fixed.test_items == {"1": 3, "2": 5}
    np.testing.assert_array_equal(fixed.negatives["2"], np.arange(10, 109))


def test_file_folder_and_archive_read_the_same(tmp_path, fixed):
    with tarfile.open(tmp_path / "ncf.tar.xz", "w:xz") as archive:
        archive.add(tmp_path / NAME, f"ncf-processed/{NAME}")
    for path in (tmp_path, tmp_path / "ncf.tar.xz"):
        assert read_ncf(path).test_items == fixed.test_items


def test_item_order_is_that_of_first_appearance():
    assert item_order(["30", "7", "30", "007", "7"]) == ["30", "7", "007"]


def test_candidates_carry_our_targets_and_numbers(fixed):
    order = [str(1000 + number) for number in range(200)]
    ours = {item: 200 - number for number, item in enumerate(order)}  # NCF's n is our 200 - n
    drawn = ncf_candidates(
        fixed, user_ids=["2", "1"], targets=np.array([150, 7]), order=order, item_numbers=ours
    )
    assert drawn.shape == (2, 100)
    np.testing.assert_array_equal(drawn[:, 0], [150, 7])
    np.testing.assert_array_equal(drawn[0, 1:], 200 - np.arange(10, 109))


def test_ncfs_own_test_item_among_the_negatives_is_taken_out(tmp_path):
    (tmp_path / NAME).write_text(lines((0, 12)))  # 12 is the third negative
    order = [str(number) for number in range(200)]
    ours = {item: number + 1 for number, item in enumerate(order)}
    drawn = ncf_candidates(
        read_ncf(tmp_path),
        user_ids=["1"],
        targets=np.array([150]),
        order=order,
        item_numbers=ours,
    )
    np.testing.assert_array_equal(drawn[0, :5], [150, 11, 12, 0, 14])
    assert (drawn == 0).sum() == 1


def test_items_that_preparation_dropped_are_named(fixed):
    order = [str(number) for number in range(200)]
    ours = {item: number + 1 for number, item in enumerate(order) if number not in (10, 50)}
    with pytest.raises(DataError, match=r"2 of NCF's .* data\.min-item-events = 1"):
        ncf_candidates(fixed, user_ids=["1"], targets=np.array([1]), order=order, item_numbers=ours)


def test_users_and_items_of_other_data_are_refused(fixed):
    order = [str(number) for number in range(200)]
    ours = {item: number + 1 for number, item in enumerate(order)}
    with pytest.raises(DataError, match="lacks 1 of the users, the first is '9'"):
        ncf_candidates(
            fixed, user_ids=["1", "9"], targets=np.array([1, 1]), order=order, item_numbers=ours
        )
    with pytest.raises(DataError, match="names item 108, but the ratings hold 50 items"):
        ncf_candidates(
            fixed, user_ids=["1"], targets=np.array([1]), order=order[:50], item_numbers=ours
        )


@pytest.mark.parametrize("bad", ["(0;3)\t1\n", "(0,3)\t1\t2\n", "0,3\n"])
def test_a_line_of_another_form_is_named(tmp_path, bad):
    (tmp_path / NAME).write_text(lines((0, 3)) + bad)
    with pytest.raises(DataError, match="line 2: expected"):
        read_ncf(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="is not there"):
        read_ncf(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif("FEDREC_DATA" not in os.environ, reason="FEDREC_DATA names no data folder")
def test_ncfs_negatives_lie_outside_the_histories_of_movielens_1m():
    folder = Path(os.environ["FEDREC_DATA"])
    fixed = read_ncf(folder / "ncf-processed.tar.xz")
    with zipfile.ZipFile(folder / "ml-1m.zip") as archive:
        raw = io.BytesIO(archive.read("ml-1m/ratings.dat"))
    table = pd.read_csv(raw, sep=":", header=None, usecols=[0, 2, 6], dtype="int64")
    users, items, times = (table[column].to_numpy() for column in (0, 2, 6))
    order = item_order(map(str, items.tolist()))
    assert (len(fixed.negatives), len(order)) == (6040, 3706)
    number = {int(item): place for place, item in enumerate(order)}
    events = np.array([number[item] for item in items.tolist()])
    had = np.zeros((6041, 3706), dtype=bool)
    had[users, events] = True
    latest = np.zeros(6041, dtype=np.int64)
    np.maximum.at(latest, users, times)
    at_end = np.zeros_like(had)
    at_end[users[times == latest[users]], events[times == latest[users]]] = True
    own = 0
    for user, test_item in fixed.test_items.items():
        negatives = fixed.negatives[user]
        assert at_end[int(user), test_item]
        assert not had[int(user), negatives[negatives != test_item]].any()
        own += int((negatives == test_item).sum())
    assert own == 156
