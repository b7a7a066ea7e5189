"""Sequences without times, and RecBole's atomic files."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from fedrec.data.interactions import to_sequences
from fedrec.data.preparation.sources import find_source
from fedrec.errors import DataError

needs_data = pytest.mark.skipif("FEDREC_DATA" not in os.environ, reason="FEDREC_DATA is not set")


def load(path, format="auto"):
    path = Path(path)
    return find_source(str(path), format=format, home=path.parent, seed=0, columns=None).load()


def shared(name):
    return Path(os.environ["FEDREC_DATA"]) / name


def test_a_user_a_line_and_an_event_a_line_are_the_same_sequences(tmp_path):
    (tmp_path / "wide.txt").write_text("u b a b\nv c\n")
    (tmp_path / "long.txt").write_text("u b\r\nv c\n\nu a\nu b\n")
    for name in ("wide.txt", "long.txt"):
        data = load(tmp_path / name, "sequences")
        own = [np.array(data.item_ids)[data.items[data.users == user]].tolist() for user in (0, 1)]
        assert own == [["b", "a", "b"], ["c"]]
        assert data.times is None
        assert "order" in data.notes[0]


def test_items_are_numbered_as_their_table_lists_them(tmp_path):
    (tmp_path / "user_sequence.txt").write_text("u B C A\n")
    (tmp_path / "items.tsv").write_text('asin\tid\ttitle\nA\t1\tTea &amp; "milk\nB\t2\t\n')
    data = load(tmp_path)
    assert data.item_ids == ["A", "B", "C"]
    assert data.catalog.titles == ['Tea & "milk', "", ""]
    assert data.skipped == {"items not in the catalogue": 1, "items without a title": 2}


def test_items_of_a_json_have_printed_lists_as_descriptions(tmp_path):
    (tmp_path / "sequences.txt").write_text("A1 0 0 1\n")
    items = {"0": {"title": "Ink", "description": "[\"HP's\", '<p>Black</p>']", "brand": "HP",
                   "categories": ""}}  # fmt: skip
    (tmp_path / "Office.item.json").write_text(json.dumps(items))
    data = load(tmp_path)
    assert data.catalog.descriptions == ["HP's Black", ""]
    assert data.catalog.columns == {"brand": ["HP", ""]}
    assert data.catalog.genres == [(), ()]


def test_a_text_file_that_may_be_a_table_of_ratings_is_not_guessed_to_be_sequences(tmp_path):
    (tmp_path / "ratings.txt").write_text("1\t2\t5\t99\n")
    with pytest.raises(DataError, match=r"ratings\.txt may hold .* data\.format = 'sequences'"):
        load(tmp_path / "ratings.txt")


def test_a_file_of_sequences_takes_its_own_table_of_items(tmp_path):
    for name in ("Beauty", "Office"):
        (tmp_path / f"{name}.txt").write_text("u 1 2\n")
        (tmp_path / f"{name}.item.json").write_text(json.dumps({"1": {"title": name}}))
    assert load(tmp_path / "Beauty.txt", "sequences").catalog.titles == ["Beauty", ""]
    (tmp_path / "Beauty.item.json").unlink()
    assert load(tmp_path / "Beauty.txt", "sequences").catalog.titles == ["", ""]
    (tmp_path / "sequences.txt").write_text("u 1 2\n")
    (tmp_path / "items.tsv").write_text("id\ttitle\n1\tTea\n")
    assert load(tmp_path).catalog.titles == ["Tea", ""]
    (tmp_path / "sequences.item.json").write_text("{}")
    with pytest.raises(DataError, match=r"several tables of items \(items\.tsv, sequences\.item"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("events", "items", "words"),
    [
        ("u a\nv\n", None, "line 2: 'v' holds no item"),
        ("\n", None, "is empty"),
        ("u a\n", "asin\tname\na\tb\n", "line 1: columns"),
        ("u a\n", "asin\ttitle\na\n", "line 2: 1 fields, the header has 2"),
        ("u a\n", "asin\ttitle\na\tx\na\ty\n", "line 3: id 'a' again"),
    ],
)
def test_bad_files_of_sequences_are_named(tmp_path, events, items, words):
    (tmp_path / "sequences.txt").write_text(events)
    if items is not None:
        (tmp_path / "items.tsv").write_text(items)
    with pytest.raises(DataError, match=words):
        load(tmp_path)


def atomic(folder, *, inter=None, item=None):
    (folder / "x.inter").write_text(
        inter
        or "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        "7\t3\t4\t20\n7\t03\t5\t10\n8\t3\t1\t10.0\n"
    )
    (folder / "x.item").write_text(
        item
        or "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        '3\tThe "Odd\t1995\tDrama War\n'
    )
    (folder / "x.user").write_text("user_id:token\tage:token\n7\t24\n")
    return folder


def test_atomic_files_have_typed_headers_and_no_quoting(tmp_path):
    data = load(atomic(tmp_path))
    assert (data.user_ids, data.item_ids) == (["7", "8"], ["3", "03"])
    assert data.times.tolist() == [20, 10, 10]
    assert data.catalog.titles == ['The "Odd', ""]
    assert data.catalog.genres == [("Drama", "War"), ()]
    assert data.catalog.years == [1995, None]
    assert data.attributes == {"age": ["24", ""]}
    assert data.skipped == {"items not in the catalogue": 1}


def test_of_an_item_that_comes_again_the_first_row_counts(tmp_path):
    rows = "3\tFirst\tA B\n3\tSecond\tC\n"
    data = load(atomic(tmp_path, item="item_id:token\tname:token\tclass:token_seq\n" + rows))
    assert (data.catalog.titles[0], data.catalog.genres[0]) == ("First", ("A", "B"))
    assert data.skipped == {"items not in the catalogue": 1, "repeated items": 1}


def test_bad_atomic_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"x\.inter, line 1: 'user_id' is no typed column"):
        load(atomic(tmp_path, inter="user_id\titem_id:token\n1\t2\n"))
    with pytest.raises(DataError, match=r"x\.inter, line 1: no column 'item_id'"):
        load(atomic(tmp_path, inter="user_id:token\ttimestamp:float\n1\t2\n"))
    with pytest.raises(DataError, match=r"x\.item, line 2: 1 fields, the header has 2"):
        load(atomic(tmp_path, item="item_id:token\tname:token\n1\n"))
    with pytest.raises(DataError, match=r"x\.inter, line 1: column 'item_id' appears more"):
        load(atomic(tmp_path, inter="user_id:token\titem_id:token\titem_id:token\n1\t2\t3\n"))
    header = "user_id:token\titem_id:token\trating:float\n"
    with pytest.raises(DataError, match=r"x\.inter, line 4: column 'rating' holds 'x'"):
        load(atomic(tmp_path, inter=header + "\n1\t2\t3\n1\t4\tx\n"))
    (tmp_path / "y.inter").write_text("")
    with pytest.raises(DataError, match=r"several datasets of RecBole's \(x\.inter, y\.inter\)"):
        load(tmp_path)


@needs_data
@pytest.mark.slow
def test_recbole_s_ml_100k_has_the_sequences_of_the_raw_files():
    of = {}
    for name in ("recbole-atomic.tar.xz", "ml-100k.zip"):
        found = to_sequences(load(shared(name)))
        items = np.array(["", *found.catalog.item_ids])
        of[name] = {
            user: items[found.sequences.of(number)].tolist()
            for number, user in enumerate(found.user_ids)
        }
    assert of["recbole-atomic.tar.xz"] == of["ml-100k.zip"]


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "users", "items", "events", "titles"),
    [
        ("amazon-beauty-2014.tar.xz", 22_363, 12_101, 198_502, 12_094),
        ("amazon-office-2018.tar.xz", 3_231, 3_459, 22_447, 3_459),
    ],
)
def test_the_amazon_archives_have_the_sizes_that_their_readme_says(
    name, users, items, events, titles
):
    data = load(shared(name))
    assert (len(data.user_ids), len(data.item_ids), len(data.users)) == (users, items, events)
    assert sum(map(bool, data.catalog.titles)) == titles
    assert not any("&amp;" in text for text in data.catalog.titles + data.catalog.descriptions)
    assert not any(text.startswith(("['", '["')) for text in data.catalog.descriptions)
