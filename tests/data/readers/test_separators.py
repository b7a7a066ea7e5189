"""Separator and encoding of a CSV file are those that its first bytes show."""

import pytest

from fedrec.data.readers.tables import Columns, load_table
from fedrec.errors import DataError

HEADER = "user,item,time\n"
ROWS = "a,x,1\na,y,2\nb,x,3\n"


def load(folder, text):
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "events.csv").write_bytes(data)
    return load_table(folder / "events.csv", Columns())


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_header_tells_the_separator(tmp_path, separator):
    data = load(tmp_path, (HEADER + ROWS).replace(",", separator))
    assert (data.user_ids, data.times.tolist()) == (["a", "b"], [1, 2, 3])


def test_an_unusual_separator_shows_the_columns_seen(tmp_path):
    with pytest.raises(DataError, match=r"no column 'user'.*'user/item/time'.*separator.*user-col"):
        load(tmp_path, "user/item/time\na/x/1\n")


def test_utf16_with_its_mark_is_read_and_named_where_it_is_damaged(tmp_path):
    whole = (HEADER + ROWS).encode("utf-16")
    assert load(tmp_path, whole).user_ids == ["a", "b"]
    with pytest.raises(DataError, match=r"begins as UTF-16, but byte .* save it as UTF-8"):
        load(tmp_path, whole[:-1])
