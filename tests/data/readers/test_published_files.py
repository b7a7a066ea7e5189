"""Files as S3-Rec, BERT4Rec, UniSRec and PFedRec publish them, in one call each."""

import json

import numpy as np
import pytest

from fedrec.data.preparation.sources import find_source
from fedrec.data.readers.tables import Columns
from fedrec.errors import ConfigError, DataError

HEADER = "user_id:token\titem_id_list:token_seq\titem_id:token"


def load(path, columns=None, format="auto"):
    return find_source(str(path), format=format, home=path, seed=0, columns=columns).load()


def sequences(data):
    """User -> its items in the order of time."""
    ids, order = np.array(data.item_ids), np.arange(len(data.users))
    if data.times is not None:
        order = np.lexsort((data.times, data.users))
    users, items = data.users[order], data.items[order]
    return {name: ids[items[users == user]].tolist() for user, name in enumerate(data.user_ids)}


def s3rec(folder):
    (folder / "Beauty.txt").write_text("1 3 5 4\n2 5 3\n")
    attributes = {"3": [7, 2, 7], "4": [2], "6": [9]}
    (folder / "Beauty_item2attributes.json").write_text(json.dumps(attributes))
    (folder / "titles.csv").write_text("asin,name\n5,Soap\n3,Comb\n")
    return folder / "Beauty.txt"


def test_s3rec_s_sequences_have_the_attributes_beside_them_as_genres(tmp_path):
    data = load(s3rec(tmp_path))
    assert sequences(data) == {"1": ["3", "5", "4"], "2": ["5", "3"]}
    assert data.item_ids == ["3", "5", "4"]  # as without attributes
    assert data.catalog.genres == [("7", "2"), (), ("2",)]
    assert data.skipped == {"items without attributes": 1}


def test_bert4rec_s_events_of_two_numbers_are_sequences(tmp_path):
    (tmp_path / "ml.txt").write_text("1 30\n1 2\n2 30\n1 30\n")
    assert sequences(load(tmp_path / "ml.txt")) == {"1": ["30", "2", "30"], "2": ["30"]}


@pytest.mark.parametrize("text", ["1 2 5 99\n1 3 4 98\n", "some words\nand more words here\n"])
def test_lines_of_one_length_or_of_words_may_be_a_table(tmp_path, text):
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(DataError, match="may hold sequences or a table"):
        load(tmp_path / "x.txt")


def test_titles_beside_sequences_number_the_items_and_leave_their_attributes(tmp_path):
    data = load(s3rec(tmp_path), Columns(items=str(tmp_path / "titles.csv")))
    assert data.item_ids == ["5", "3", "4"]
    assert data.catalog.titles == ["Soap", "Comb", ""]
    assert data.catalog.genres == [(), ("7", "2"), ("2",)]
    assert sequences(data) == {"1": ["3", "5", "4"], "2": ["5", "3"]}
    assert data.notes[0] == "columns by their usual names: title is 'name'"
    assert data.skipped["items not in the catalogue"] == 1


def test_the_hash_of_sequences_is_another_with_other_titles(tmp_path):
    path, columns = s3rec(tmp_path), Columns(items=str(tmp_path / "titles.csv"))

    def key(columns):
        return find_source(str(path), format="auto", home=path, seed=0, columns=columns).key

    before = key(columns)
    assert before != key(None)
    (tmp_path / "titles.csv").write_text("asin,name\n5,Soap\n3,Brush\n")
    assert key(columns) != before


@pytest.mark.parametrize(
    ("items", "titles", "genres"),
    [
        ({"3": ["a", "b"]}, [""], [("a", "b")]),
        ({"3": {"title": "Comb", "categories": [["Beauty", "Hair"]]}}, ["Comb"], [("Hair",)]),
    ],
)
def test_an_object_of_ids_describes_the_items_of_any_sequences(tmp_path, items, titles, genres):
    (tmp_path / "any.txt").write_text("1 3\n2 3\n")
    (tmp_path / "about.json").write_text(json.dumps(items))
    catalog = load(tmp_path / "any.txt", Columns(items=str(tmp_path / "about.json"))).catalog
    assert (catalog.titles, catalog.genres) == (titles, genres)


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        ({"user": "u", "items": "titles.csv"}, ConfigError, r"user-column = 'u' .*leave it out$"),
        ({"title": "t"}, ConfigError, r"or name a table of its items by data\.items$"),
        ({"items": "no.csv"}, DataError, r"no\.csv does not exist; set data\.items"),
        ({"items": "bad.json"}, DataError, r"item '3' has \[7, None\], expected a list"),
        ({"items": "titles.csv", "texts": ("x",)}, DataError, r"no column 'x'.*text-columns"),
    ],
)
def test_what_cannot_stand_beside_sequences_is_named(tmp_path, columns, error, words, monkeypatch):
    path = s3rec(tmp_path)
    (tmp_path / "bad.json").write_text('{"3": [7, null]}')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        load(path, Columns(**columns))


def unisrec(folder, *, histories=50):
    """Sequences 0..9 of user a and 9, 9, 8, 7 of b, cut as UniSRec's code does; newest first."""
    whole = {"a": list("0123456789"), "b": list("9987")}
    for part, cut in {"train": 2, "valid": 1, "test": 0}.items():
        rows = [HEADER]
        for user, items in whole.items():
            seen = items[: len(items) - cut]
            targets = range(len(seen) - 1, 0, -1) if part == "train" else [len(seen) - 1]
            for at in targets:
                rows.append(f"{user}\t{' '.join(seen[:at][-histories:])}\t{seen[at]}")
        (folder / f"Pantry.{part}.inter").write_text("\n".join(rows) + "\n")
    return whole


@pytest.mark.parametrize("histories", [50, 3])
@pytest.mark.parametrize("named", ["", "Pantry.test.inter"])
def test_rows_with_histories_are_the_events_they_were_cut_from(tmp_path, histories, named):
    whole = unisrec(tmp_path, histories=histories)
    (tmp_path / "Pantry.item").write_text("item_id:token\ttitle:token_seq\n9\tNine\n")
    data = load(tmp_path / named)
    assert sequences(data) == whole
    assert "Nine" in data.catalog.titles
    assert any("split into train, valid and test" in note for note in data.notes)


def test_lists_of_times_are_the_times_of_the_events(tmp_path):
    header = "session_id:token\titem_id_list:token_seq\titem_id:token"
    header += "\ttimestamp_list:float_seq\ttimestamp:float\n"
    (tmp_path / "x.train.inter").write_text(header + "s\ta b\tc\t10 20\t30\n")
    (tmp_path / "x.test.inter").write_text(header + "s\ta b c\td\t10 20 30\t40\n")
    data = load(tmp_path)
    assert (data.user_ids, data.times.tolist()) == (["s"], [10, 20, 30, 40])
    assert sequences(data) == {"s": list("abcd")}


def test_a_history_that_follows_from_nothing_is_named(tmp_path):
    (tmp_path / "x.train.inter").write_text(f"{HEADER}\nu\ta\tb\nu\ta c\td\n")
    with pytest.raises(
        DataError, match=r"x\.train\.inter, line 3: the history of user 'u' follows"
    ):
        load(tmp_path)


def test_files_of_a_split_without_lists_are_read_one_after_another(tmp_path):
    for part, row in {"train": "u\ta", "valid": "u\tb", "test": "u\tc"}.items():
        (tmp_path / f"x.{part}.inter").write_text(f"user_id:token\titem_id:token\n{row}\n")
    assert sequences(load(tmp_path)) == {"u": list("abc")}


@pytest.mark.parametrize("between", [",", "::"])
def test_pfedrec_s_numbers_without_a_header_are_user_item_rating_and_time(tmp_path, between):
    rows = ["7,3,5,881250949", "8,3,1,881250940", "7,4,2,881250001"]
    (tmp_path / "ratings.dat").write_text("\n".join(rows).replace(",", between) + "\n")
    data = load(tmp_path / "ratings.dat", Columns())
    assert sequences(data) == {"7": ["4", "3"], "8": ["3"]}
    assert data.ratings.tolist() == [5, 1, 2]
    assert data.notes == (
        "columns by their usual places: user is '1', item is '2', rating is '3', time is '4'",
    )


@pytest.mark.parametrize("row", ["7,3,5,12", "7,3,50,881250949", "7,3.5,5,881250949", "7,3,5"])
def test_other_numbers_without_a_header_are_not_guessed(tmp_path, row):
    (tmp_path / "x.csv").write_text(f"{row}\n{row}\n")
    with pytest.raises(DataError, match=r"no header line.*data\.user-column"):
        load(tmp_path / "x.csv", Columns())
