"""Own data files that cannot be read: one line about that file, and of no other layout."""

import json

import pytest

from fedrec.data.preparation.sources import find_source
from fedrec.data.readers.detect import LAYOUTS
from fedrec.data.readers.table_files.unpack import unpacked
from fedrec.errors import DataError
from tests.data.own_files import made

GZIP = made.PACKERS[".gz"]

# Kind of damage -> name of the file, what writes its bytes, words of the message.
BROKEN = {
    "cut gzip": ("e.csv.gz", lambda: GZIP(made.csv().encode())[:-20], r"damaged or was cut short"),
    "cut xz": ("e.xz", lambda: made.PACKERS[".xz"](b"x" * 9)[:-20], r"damaged or was cut short"),
    "gzip of gzip": ("e.gz", lambda: GZIP(GZIP(made.csv().encode())), r"packed twice; unpack"),
    "empty": ("e.csv", lambda: b"", r"is empty; a header line"),
    "empty, packed": ("e.csv.gz", lambda: GZIP(b""), r"is empty; a header line"),
    "blank": ("e.csv", lambda: b" \n\n\n", r"is empty"),
    "only a header": ("e.csv", lambda: "user,item,time\n", r"has a header but no row"),
    "no header": ("e.csv", lambda: "196,242,881\n186,302,891\n", r"line 1: .* names no columns"),
    "doubled column": ("e.csv", lambda: "user,item,time,item\na,b,1,c\n", r"'item' appears more"),
    "doubled field": (
        "e.jsonl",
        lambda: '{"user": 1, "user": 2, "item": 3, "time": 4}\n',
        r"line 1: field 'user' appears more than once",
    ),
    "two users": (
        "e.csv",
        lambda: "user_id,customer,item,time\na,b,c,1\n",
        r"several columns may hold the user \(user_id, customer\); set data\.user-column",
    ),
    "two items": (
        "e.csv",
        lambda: "user,asin,parent_asin,time\na,b,c,1\n",
        r"several columns .* the item \(asin, parent_asin\); set data\.item-column",
    ),
    "two titles": (
        "e.csv",
        lambda: "user,item,time,name,headline\na,b,1,c,d\n",
        r"several columns .* the title \(name, headline\); set data\.title-column",
    ),
    "no usual name": (
        "e.csv",
        lambda: "who,what,time\na,b,1\n",
        r"no column 'user', .*\['who', 'what', 'time'\].*usual name.*set data\.user-column",
    ),
    "HTML": ("e.csv", lambda: "<!DOCTYPE html><title>Log in</title>", r"is an HTML or XML page"),
    "old Excel": ("e.xls", lambda: b"\xd0\xcf\x11\xe0" + b"\0" * 600, r"save it as \.xlsx or CSV"),
    "PDF": ("e.pdf", lambda: b"%PDF-1.7\n", r"is a PDF; export"),
    "SQLite": ("e.db", lambda: b"SQLite format 3\0", r"database of SQLite; export"),
    "pickle": ("e.pkl", lambda: b"\x80\x04\x95", r"a pickle, which is never loaded"),
    "two tables": (
        "e.zip",
        lambda: made.zipped({"a.csv": made.csv(), "b.csv": made.csv()}),
        r"holds 2 tables \(a\.csv, b\.csv\), expected one; set data\.source",
    ),
    "password": ("e.zip", made.encrypted, r"'events\.csv' behind a password; unpack it"),
    "cut zip": ("e.zip", lambda: made.zipped({"e.csv": made.csv()})[:-30], r"not a whole archive"),
    "zip as CSV": ("e.csv", lambda: made.zipped({"a.csv": made.csv()}), r"is an archive; give it"),
    "cut parquet": ("e.parquet", lambda: made.parquet()[:-30], r"no whole parquet file"),
    "two sheets": (
        "e.xlsx",
        lambda: made.excel(("May", made.event_rows()), ("June", made.event_rows())),
        r"several sheets with data \(May, June\)",
    ),
    "cut workbook": (
        "e.xlsx",
        lambda: made.excel(("May", made.event_rows()))[:-40],
        r"e\.xlsx is (an archive|no whole)",
    ),
    "error of a formula": (
        "e.xlsx",
        lambda: made.excel(("May", [*made.event_rows(), ["a", "#REF!", 1, 2, "x"]])),
        r"sheet 'May', row 6: a formula gives #REF!",
    ),
    "cell beside the columns": (
        "e.xlsx",
        lambda: made.excel(("May", [*made.event_rows(), ["a", "b", 1, 2, "x", "note"]])),
        r"row 6: 'note' stands in no column",
    ),
    "JSON by columns": (
        "e.json",
        lambda: '{"user": {"0": 1}, "item": {"0": 2}}',
        r"by columns, as pandas writes .*lines=True",
    ),
    "JSON over lines": (
        "e.json",
        lambda: '{\n "user": 1,\n "item": 2\n}',
        r"line 1: '\{' is no JSON \(an object over several lines",
    ),
    "JSON cut": ("e.jsonl", lambda: made.json_lines()[:-9], r"e\.jsonl, line 4: .* is no JSON"),
    "numbers in JSON": ("e.jsonl", lambda: "[1, 2]\n[3, 4]", r"e\.jsonl: .* is no JSON"),
    "lists for ids": (
        "e.jsonl",
        lambda: '{"user": ["a"], "item": 1, "time": 1}',
        r"line 1: column 'user' holds \['a'\], expected an id",
    ),
    "missing id": (
        "e.jsonl",
        lambda: '{"user": "a", "item": 1, "time": 1}\n{"item": 1, "time": 1}\n',
        r"e\.jsonl, line 2: column 'user' has no id",
    ),
    "latin-1": ("e.csv", lambda: made.csv().encode("latin-1"), r"is not UTF-8; .*save it as UTF-8"),
    "UTF-16 without a mark": ("e.csv", lambda: made.csv().encode("utf-16-le"), r"a NUL byte"),
    "decimal commas between commas": (
        "e.csv",
        lambda: 'user,item,time,rating\na,b,1,"4,5"\n',
        r"line 2: column 'rating' holds '4,5', expected a finite number",
    ),
    "day before month": (
        "e.csv",
        lambda: "user,item,date\na,b,31/01/2024\n",
        r"line 2: column 'date' holds no date but '31/01/2024'.*dayfirst",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_refused_in_one_line_about_it(tmp_path, kind):
    name, make, words = BROKEN[kind]
    path = made.write(tmp_path, name, make())
    with pytest.raises(DataError, match=words) as refused:
        find_source(str(path), format="auto", home=tmp_path, seed=0, columns=None).load()
    message = str(refused.value)
    assert name in message or "e.csv" in message
    assert "\n" not in message
    assert not [layout for layout in (*LAYOUTS, "Amazon", "meta_") if layout in message]


def test_a_folder_of_two_tables_names_them(tmp_path):
    for name in ("items.csv", "events.csv"):
        made.write(tmp_path / "shop.v2", name, made.csv())
    with pytest.raises(DataError, match=r"2 tables \(events\.csv, items\.csv\).*data\.items"):
        find_source(str(tmp_path / "shop.v2"), format="auto", home=tmp_path, seed=0, columns=None)


@pytest.mark.parametrize("ending", made.PACKERS)
@pytest.mark.parametrize(("size", "is_read"), [(3, True), (4, True), (5, False)])
def test_a_packed_file_has_a_size_at_most(ending, size, is_read):
    data = made.PACKERS[ending](b"x" * size)
    if is_read:
        assert unpacked(data, name="e", max_bytes=4).data == b"x" * size
    else:
        with pytest.raises(DataError, match="e unpacks to more than 4 bytes"):
            unpacked(data, name="e", max_bytes=4)


def test_a_format_that_the_content_is_not_is_refused(tmp_path):
    path = made.write(tmp_path, "e.csv", json.dumps({"user": 1}))
    with pytest.raises(DataError, match=r"e\.csv is jsonl .*data\.format is 'parquet'"):
        find_source(str(path), format="parquet", home=tmp_path, seed=0, columns=None).load()
