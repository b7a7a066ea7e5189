import numpy as np
import pandas as pd
import pytest

from fedrec.data.interactions import to_sequences
from fedrec.data.readers.tables import Columns, load_frame, load_table
from fedrec.errors import DataError

HEADER = "user,item,time\n"
ROWS = "a,x,1\na,y,2\nb,x,3\n"


def load(folder, text, columns=None, *, name="events.csv"):
    data = text if isinstance(text, bytes) else text.encode()
    (folder / name).write_bytes(data)
    return load_table(folder / name, columns or Columns())


def items_table(folder, text):
    (folder / "items.csv").write_text(text)
    return Columns(items=str(folder / "items.csv"))


def test_users_and_items_are_numbered_as_they_appear(tmp_path):
    data = load(tmp_path, HEADER + ROWS)
    assert (data.user_ids, data.item_ids) == (["a", "b"], ["x", "y"])
    assert (data.users.tolist(), data.items.tolist()) == ([0, 0, 1], [0, 1, 0])
    assert data.times.tolist() == [1, 2, 3]
    assert data.ratings is None


def test_standard_columns_are_used_when_they_are_there(tmp_path):
    text = "user,item,time,rating,title,genres,year,description\na,x,1,4.5,X,War|Action,1999,Long\n"
    data = load(tmp_path, text)
    catalog = data.catalog
    assert data.ratings.tolist() == [4.5]
    assert (catalog.titles, catalog.genres) == (["X"], [("War", "Action")])
    assert (catalog.years, catalog.descriptions) == ([1999], ["Long"])


def test_columns_have_names_of_the_users_own(tmp_path):
    columns = Columns(user="who", item="what", time="", title="name", texts=("brand",))
    data = load(tmp_path, "who,what,name,brand\n1,2,N,B\n", columns)
    assert (data.user_ids, data.item_ids, data.catalog.titles) == (["1"], ["2"], ["N"])
    assert data.catalog.columns == {"brand": ["B"]}
    assert data.times is None
    assert "order of the rows" in data.notes[0]


def test_user_attributes_come_from_columns(tmp_path):
    text = "user,item,time,city\na,x,1,Bern\nb,x,2,Rome\na,y,3,Bern\n"
    data = load(tmp_path, text, Columns(attributes=("city",)))
    assert data.attributes == {"city": ["Bern", "Rome"]}


def test_a_parquet_file_and_a_frame_give_what_the_csv_gives(tmp_path):
    frame = pd.DataFrame(
        {"user": ["a", "a", "b"], "item": [7, 9, 7], "time": [1, 2, 3], "title": ["P", None, "P"]}
    )
    frame.to_parquet(tmp_path / "events.parquet")
    frame.to_csv(tmp_path / "events.csv", index=False)
    loaded = [
        load_frame(frame, Columns()),
        load_table(tmp_path / "events.parquet", Columns()),
        load_table(tmp_path / "events.csv", Columns()),
    ]
    for data in loaded:
        assert data.item_ids == ["7", "9"]
        assert data.catalog.titles == ["P", ""]
        assert data.times.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (["2001-01-01", "2001-01-01T00:00:01Z"], [978307200000, 978307201000]),
        (["978300760.5", "978300761"], [978300760500, 978300761000]),
        (["978300760000", "978300761000"], [978300760000, 978300761000]),
        (["1e3", "5"], [1000, 5]),
    ],
)
def test_dates_and_fractions_become_milliseconds_whole_numbers_stay(tmp_path, times, expected):
    text = HEADER + "".join(f"a,x,{time}\n" for time in times)
    assert load(tmp_path, text).times.tolist() == expected


def test_datetimes_of_a_frame_become_milliseconds_in_utc():
    zoned = pd.to_datetime(["2001-01-01T01:00:00+01:00"])
    for times in (zoned, pd.to_datetime(["2001-01-01"])):
        frame = pd.DataFrame({"user": [1], "item": [1], "time": times})
        assert load_frame(frame, Columns()).times.tolist() == [978307200000]


def test_a_column_that_is_not_there_names_the_key(tmp_path):
    with pytest.raises(DataError, match=r"no column 'Titel'.*set data\.title-column"):
        load(tmp_path, HEADER + ROWS, Columns(title="Titel"))


def test_a_missing_time_column_is_not_guessed_away(tmp_path):
    with pytest.raises(DataError, match=r'no column \'time\'.*data\.time-column.*or to ""'):
        load(tmp_path, "user,item\na,x\n")


@pytest.mark.parametrize(("row", "seen"), [("a,x", 2), ("a,x,1,9", 4)])
def test_too_few_or_too_many_fields_name_the_line(tmp_path, row, seen):
    with pytest.raises(DataError, match=rf"events\.csv, line 3: {seen} fields, the header has 3"):
        load(tmp_path, f"{HEADER}a,x,1\n{row}\n")


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    assert load(tmp_path, b"\xef\xbb\xbf" + (HEADER + ROWS).encode()).user_ids == ["a", "b"]


def test_latin1_read_as_utf8_names_the_byte_and_the_line(tmp_path):
    # "user,item,time\n" is 15 bytes, "a," two more.
    with pytest.raises(DataError, match=r"events\.csv, line 2: byte 17 \(0xe9\) is not UTF-8"):
        load(tmp_path, (HEADER + "a,é,1\n").encode("latin-1"))


def test_a_nul_byte_names_the_line(tmp_path):
    with pytest.raises(DataError, match=r"events\.csv, line 3: a NUL byte"):
        load(tmp_path, HEADER + "a,x,1\na,\0,2\n")


@pytest.mark.parametrize(
    ("rows", "line"), [('a,"x,1\nb,y,2\n', 2), ('a,x,1\na,"y" z,2\nb,y,3\n', 3)]
)
def test_an_unclosed_quote_names_where_it_began(tmp_path, rows, line):
    with pytest.raises(DataError, match=rf"events\.csv, line {line}: a field in quotes"):
        load(tmp_path, HEADER + rows)


def test_crlf_and_blank_lines_are_fine(tmp_path):
    text = "\r\n" + (HEADER + ROWS).replace("\n", "\r\n\r\n")
    assert load(tmp_path, text).items.tolist() == [0, 1, 0]


def test_a_quoted_title_may_hold_commas_quotes_and_odd_line_marks(tmp_path):
    text = 'user,item,time,title\na,x,1,"So, ""yes""\x85\u2028 no"\n'
    assert load(tmp_path, text).catalog.titles == ['So, "yes" no']


@pytest.mark.parametrize(("text", "seen"), [("", "is empty"), (HEADER, "header but no row")])
def test_empty_or_header_only_is_refused(tmp_path, text, seen):
    with pytest.raises(DataError, match=rf"events\.csv {seen}|events\.csv has a {seen}"):
        load(tmp_path, text)


def test_a_duplicate_header_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"line 1: column 'item' appears more than once"):
        load(tmp_path, "user,item,item,time\na,x,y,1\n")


def test_a_duplicate_column_of_a_frame_is_refused():
    frame = pd.DataFrame([[1, 2, 3, 4]], columns=["user", "item", "item", "time"])
    with pytest.raises(DataError, match="column 'item' appears more than once"):
        load_frame(frame, Columns())


@pytest.mark.parametrize("value", ["", " ", "NaN", "nan"])
def test_an_id_that_is_none_names_the_line(tmp_path, value):
    with pytest.raises(DataError, match=r"events\.csv, line 3: .*(empty|NaN)"):
        load(tmp_path, f"{HEADER}a,x,1\na,{value},2\n")


def test_a_missing_id_in_a_frame_names_the_row():
    frame = pd.DataFrame({"user": [1, 2], "item": [3.0, np.nan], "time": [1, 2]})
    with pytest.raises(DataError, match="row 1: column 'item' has no id"):
        load_frame(frame, Columns())


def test_ids_above_2_to_53_stay_exact_as_text(tmp_path):
    big, next_one = 2**53, 2**53 + 1
    data = load(tmp_path, f"{HEADER}{big},x,1\n{next_one},x,2\n")
    assert data.user_ids == [str(big), str(next_one)]


def test_rounded_ids_of_a_frame_are_refused():
    frame = pd.DataFrame({"user": [float(2**53)], "item": [1], "time": [1]})
    with pytest.raises(DataError, match="rounded when it became a float; read the column as text"):
        load_frame(frame, Columns())


def test_are_two_ids(tmp_path):
    assert load(tmp_path, HEADER + "007,x,1\n7,x,2\n").user_ids == ["007", "7"]


def test_one_id_as_number_and_as_text_is_refused():
    frame = pd.DataFrame(
        {"user": pd.Series([7, "7"], dtype=object), "item": [1, 1], "time": [1, 2]}
    )
    with pytest.raises(DataError, match="'7' both as number and as text"):
        load_frame(frame, Columns())


def test_na_null_and_none_are_titles_and_ids(tmp_path):
    text = "user,item,time,title\nNA,null,1,NA\nnull,None,2,null\nNone,NA,3,None\n"
    data = load(tmp_path, text)
    assert data.catalog.titles == ["NA", "null", "None"]
    assert data.user_ids == ["NA", "null", "None"]


@pytest.mark.parametrize(
    ("value", "words"),
    [("inf", "finite number"), ("nan", "finite"), ("-3", "negative"), ("soon", "finite")],
)
def test_times_that_are_none_name_the_line(tmp_path, value, words):
    with pytest.raises(DataError, match=rf"events\.csv, line 3: .*{words}"):
        load(tmp_path, f"{HEADER}a,x,1\na,y,{value}\n")


def test_a_date_that_is_none_names_the_line(tmp_path):
    with pytest.raises(DataError, match=r"events\.csv, line 3: column 'time' holds no date"):
        load(tmp_path, HEADER + "a,x,2001-01-01\na,y,soon\n")


@pytest.mark.parametrize("value", ["978300760000", "978300760000.5"])
def test_seconds_and_milliseconds_mixed_name_the_line(tmp_path, value):
    with pytest.raises(DataError, match=r"events\.csv, line 3: .*milliseconds"):
        load(tmp_path, f"{HEADER}a,x,978300760\na,y,{value}\n")


def test_ties_keep_file_order_and_the_rest_is_sorted(tmp_path):
    data = load(tmp_path, HEADER + "a,x,9\na,y,5\na,z,5\na,x,1\n")
    sequences = to_sequences(data, min_item_events=1).sequences
    assert sequences.items.tolist() == [1, 2, 3, 1]


def test_exact_duplicates_are_dropped_and_counted(tmp_path):
    data = load(tmp_path, HEADER + ROWS + "a,x,1\n")
    assert data.users.tolist() == [0, 0, 1]
    assert data.skipped == {"exact duplicate events": 1}


def test_the_same_item_at_another_time_is_kept(tmp_path):
    assert load(tmp_path, HEADER + "a,x,1\na,x,2\n").items.tolist() == [0, 0]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-inf", "good", ""])
def test_ratings_that_are_no_number_name_the_line(tmp_path, value):
    with pytest.raises(DataError, match=r"events\.csv, line 3: column 'rating'.*finite number"):
        load(tmp_path, f"user,item,time,rating\na,x,1,5\na,y,2,{value}\n")


def test_items_that_the_table_lacks_stay_and_are_counted(tmp_path):
    columns = items_table(tmp_path, "item,title\ny,Y\nx,X\n")
    data = load(tmp_path, HEADER + ROWS + "b,z,4\n", columns)
    assert data.item_ids == ["y", "x", "z"]
    assert data.catalog.titles == ["Y", "X", ""]
    assert data.items.tolist() == [1, 0, 1, 2]
    assert data.skipped == {"items not in the catalogue": 1}


def test_one_item_with_two_titles_names_the_line_and_both(tmp_path):
    text = "user,item,time,title\na,x,1,One\nb,x,2,Two\n"
    with pytest.raises(DataError, match=r"line 3: title of 'x' is 'Two', but 'One' before"):
        load(tmp_path, text)


def test_in_the_items_table_equal_rows_are_counted_others_refused(tmp_path):
    columns = items_table(tmp_path, "item,title\nx,X\ny,Y\nx,X\n")
    data = load(tmp_path, HEADER + ROWS, columns)
    assert data.skipped == {"repeated rows of the items table": 1}
    items_table(tmp_path, "item,title\nx,X\ny,Y\nx,Z\n")
    with pytest.raises(DataError, match=r"items\.csv, line 4: title of 'x' is 'Z', but 'X'"):
        load(tmp_path, HEADER + ROWS, columns)


def test_a_title_of_a_megabyte_is_cut_and_strange_ones_made_fit(tmp_path):
    rtl = "ספר"
    text = f"user,item,time,title\na,x,1,{'x' * 1_000_000}\na,y,2,\x1b[2J{rtl}\n"
    data = load(tmp_path, text)
    assert data.catalog.titles == ["x" * 10_000, f"[2J{rtl}"]
    assert data.skipped == {"texts with control characters": 1, "texts cut at 10000": 1}


def test_a_year_that_is_none_is_refused(tmp_path):
    with pytest.raises(DataError, match="year 'old' of item 'x'"):
        load(tmp_path, "user,item,time,year\na,x,1,old\n")


def test_a_broken_parquet_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"events\.parquet is no whole parquet file"):
        load(tmp_path, b"PAR1 not really", name="events.parquet")


def test_an_empty_frame_is_refused():
    with pytest.raises(DataError, match="frame has no rows"):
        load_frame(pd.DataFrame({"user": [], "item": [], "time": []}), Columns())
