"""Own data files of more than 20 kinds, each read to the same events."""

import json
import logging

import numpy as np
import pytest

from fedrec.config.keys import read_config
from fedrec.data.preparation.sources import find_source
from fedrec.data.readers.tables import Columns, load_table
from fedrec.factory.fit_defaults import fit_defaults
from tests.data.own_files import made

SHOP = ["Customer ID", "productId", "created_at", "stars", "Product Name"]
LENS = ["userId", "movieId", "timestamp", "rating", "title"]
AMAZON = ["reviewerID", "asin", "unixReviewTime", "overall", "title"]

# Kind of file -> its name, and what writes its bytes.
KINDS = {
    "CSV": ("events.csv", made.csv),
    "TSV": ("events.tsv", lambda: made.csv(separator="\t")),
    "CSV, gzip": ("my.events.v2.csv.gz", lambda: made.PACKERS[".gz"](made.csv().encode())),
    "CSV, bzip2": ("events.csv.bz2", lambda: made.PACKERS[".bz2"](made.csv().encode())),
    "CSV, xz": ("events.csv.xz", lambda: made.PACKERS[".xz"](made.csv().encode())),
    "CSV in a zip": (
        "shop.zip",
        lambda: made.zipped({"a/events.csv": made.csv(), "__MACOSX/a/._events.csv": b"\0"}),
    ),
    "gzip called CSV": ("events.csv", lambda: made.PACKERS[".gz"](made.csv().encode())),
    "CSV called like Amazon's": (
        "All_Beauty.csv.gz",
        lambda: made.PACKERS[".gz"](made.csv(SHOP).encode()),
    ),
    "JSON called like Amazon's": (
        "reviews_Beauty_5.json.gz",
        lambda: made.PACKERS[".gz"](made.json_lines(SHOP).encode()),
    ),
    "semicolons, decimal commas, Windows line ends": (
        "events.csv",
        lambda: made.csv(
            separator=";", end="\r\n", rating=lambda stars: str(stars).replace(".", ",")
        ),
    ),
    "Excel's line sep=": ("events.csv", lambda: "sep=|\r\n" + made.csv(separator="|")),
    "line ends of old Macs": ("events.csv", lambda: made.csv(end="\r")),
    "byte-order mark": ("events.csv", lambda: b"\xef\xbb\xbf" + made.csv().encode()),
    "UTF-16": ("events.csv", lambda: made.csv(separator="\t").encode("utf-16")),
    "names of MovieLens": ("ratings.csv", lambda: made.csv(LENS)),
    "names of Amazon": ("some.csv.gz", lambda: made.PACKERS[".gz"](made.csv(AMAZON).encode())),
    "dates with a zone and without": ("events.csv", lambda: made.csv(when=made.zone)),
    "milliseconds": ("events.csv", lambda: made.csv(when=lambda seconds: seconds * 1000)),
    "JSON lines": ("events.jsonl", made.json_lines),
    "JSON lines in a zip": ("events.zip", lambda: made.zipped({"e.ndjson": made.json_lines()})),
    "JSON lines, gzip": ("e.json.gz", lambda: made.PACKERS[".gz"](made.json_lines().encode())),
    "a list of JSON objects": ("events.json", lambda: json.dumps(made.records(), indent=1)),
    "parquet": ("events.parquet", made.parquet),
    "parquet, gzip": ("events.parquet.gz", lambda: made.PACKERS[".gz"](made.parquet())),
    "Excel": (
        "events.xlsx",
        lambda: made.excel(("Sheet1", []), ("events", made.event_rows())),
    ),
    "CSV without an ending": ("events", made.csv),
    "gzip without an ending": ("events", lambda: made.PACKERS[".gz"](made.csv().encode())),
    "Excel without an ending": ("events", lambda: made.excel(("events", made.event_rows()))),
    "a table called text": ("events.txt", lambda: made.csv(separator="\t")),
    "a folder with dots in its name": ("shop.v1.csv/events.2024.csv", made.csv),
}


def read(path, home):
    return find_source(str(path), format="auto", home=home, seed=0, columns=None)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_has_the_same_events(tmp_path, kind):
    name, make = KINDS[kind]
    path = made.write(tmp_path, name, make())
    if "/" in name:
        path = path.parent
    found = read(path, tmp_path).load()
    users, items, times, stars, titles = zip(*made.EVENTS, strict=True)
    assert [found.user_ids[user] for user in found.users] == list(users)
    assert [found.item_ids[item] for item in found.items] == list(items)
    assert found.times is not None
    seconds = np.where(found.times < 10**11, found.times, found.times // 1000)
    assert seconds.tolist() == list(times)
    assert found.ratings is not None
    assert found.ratings.tolist() == list(stars)
    assert found.catalog.titles == [" ".join(titles[0].split()), " ".join(titles[1].split())]


def test_the_name_of_the_data_has_no_ending_of_the_file(tmp_path):
    name, make = KINDS["CSV, gzip"]
    assert read(made.write(tmp_path, name, make()), tmp_path).name == "my.events.v2"


def test_columns_by_usual_names_are_noted(tmp_path):
    path = made.write(tmp_path, "shop.csv", made.csv(SHOP))
    assert read(path, tmp_path).load().notes == (
        "columns by their usual names: user is 'Customer ID', item is 'productId', "
        "time is 'created_at', title is 'Product Name', rating is 'stars'",
    )


def test_what_was_found_by_usual_names_is_said_before_a_run(tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path / "home"))
    rows = "".join(f"u{u},i{(u + i) % 12},{i}\n" for u in range(6) for i in range(6))
    path = made.write(tmp_path, "e.csv", f"user_id,sku,ts\n{rows}")
    with caplog.at_level(logging.WARNING):
        fit_defaults(read_config({"data.source": str(path), "data.min-item-events": 1}))
    assert caplog.records[0].getMessage() == (
        "columns by their usual names: user is 'user_id', item is 'sku', time is 'ts'"
    )


def test_standard_names_are_no_guess(tmp_path):
    assert read(made.write(tmp_path, "e.csv", made.csv()), tmp_path).load().notes == ()


def test_dates_without_a_zone_beside_others_are_counted(tmp_path):
    path = made.write(tmp_path, "events.csv", made.csv(when=made.zone))
    assert read(path, tmp_path).load().notes == (
        "2 of 4 dates in column 'time' have no time zone and are read as UTC, beside those that "
        "have one",
    )


def test_a_usual_name_that_does_not_fit_is_left(tmp_path):
    text = "user_id,item_id,ts,name,score\na,x,1,Ann,good\nb,x,2,Bob,bad\n"  # of users, in words
    found = read(made.write(tmp_path, "e.csv", text), tmp_path).load()
    assert (found.catalog.titles, found.ratings) == ([""], None)
    assert found.notes == (
        "columns by their usual names: user is 'user_id', item is 'item_id', time is 'ts'",
    )


def test_a_table_of_items_has_usual_names_too(tmp_path):
    path = made.write(tmp_path, "e.csv", "user_id,movie_id,ts\na,2,1\na,1,2\n")
    items = made.write(tmp_path, "i.csv.gz", made.PACKERS[".gz"](b"movieId,name\n1,One\n2,Two\n"))
    found = load_table(path, Columns(items=str(items)))
    assert (found.item_ids, found.catalog.titles) == (["1", "2"], ["One", "Two"])
    assert found.items.tolist() == [1, 0]
