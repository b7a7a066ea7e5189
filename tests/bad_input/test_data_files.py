"""Faulty data files: how they are refused, and what is made of those that can be used."""

import json
import re

import numpy as np
import pytest

from fedrec.data.preparation.store import open_dataset

GOOD = "30 users, 25 items, 180 events"


def changed(line, column, value):
    """A line of the CSV with one field replaced."""
    fields = line.split(",")
    fields[column] = value
    return ",".join(fields)


def prepared(home):
    """The one dataset that a command has prepared."""
    [folder] = (home / "prepared").glob("[!.]*")
    return open_dataset(folder)


def ids_of(dataset, user):
    """Original ids of a user's items, in the stored order."""
    number = dataset.user_ids.index(user)
    return [dataset.catalog.item_ids[item - 1] for item in dataset.sequences.of(number)]


def test_good_files_are_described(describe, csv, events, movielens):
    assert GOOD in describe(csv(events)).shown
    assert GOOD in describe(movielens.folder()).shown


def test_an_unusual_separator_shows_the_columns_seen(describe, refused, csv, events):
    ended = describe(csv([line.replace(",", "/") for line in events]))
    refused(ended, 4, "events.csv has no column 'user'", "user/item/time", "data.user-column")


def test_semicolons_are_found(describe, csv, events):
    assert GOOD in describe(csv([line.replace(",", ";") for line in events])).shown


def test_a_wrong_separator_of_movielens_names_the_line(describe, refused, movielens):
    movielens.ratings = [line.replace("::", ",") for line in movielens.ratings]
    refused(describe(movielens.folder()), 4, "ratings.dat, line 1", "expected 4 between '::'")


@pytest.mark.parametrize(("line", "seen"), [("u0,i1", 2), ("u0,i1,5,Film 1,War,more", 6)])
def test_too_few_or_too_many_fields_name_the_line(describe, refused, csv, events, line, seen):
    events[3] = line
    refused(describe(csv(events)), 4, f"events.csv, line 4: {seen} fields", "the header has 5")


@pytest.mark.parametrize(("line", "seen"), [("1::2::3", 3), ("1::2::3::4::5", 5)])
def test_fields_of_movielens_are_counted(describe, refused, movielens, line, seen):
    movielens.ratings[3] = line
    refused(describe(movielens.folder()), 4, f"ratings.dat, line 4: {seen} fields", "expected 4")


def test_a_separator_inside_a_title_is_refused(describe, refused, movielens):
    movielens.movies[3] = "4::Film :: Four (1963)::Drama"
    refused(describe(movielens.folder()), 4, "movies.dat, line 4: 4 fields", "expected 3", "'::'")


def test_a_byte_order_mark_is_no_part_of_the_first_column(describe, csv, events):
    assert GOOD in describe(csv("\n".join(events).encode("utf-8-sig"))).shown


def test_latin1_read_as_utf8_names_the_byte(describe, refused, csv, events):
    data = "\n".join(events).replace("Film 14", "Fílm 14", 1).encode("latin-1")
    offset = data.index(b"\xed")
    refused(describe(csv(data)), 4, "events.csv, line 4", f"byte {offset} (0xed)", "UTF-8")


def test_a_nul_byte_names_the_line(describe, refused, csv, events):
    events[3] = events[3].replace("Film", "Fi\0lm")
    refused(describe(csv(events)), 4, "events.csv, line 4: a NUL byte")


def test_an_unclosed_quote_names_where_it_began(describe, refused, csv, events):
    events[3] = events[3].replace("Film", '"Film')
    refused(describe(csv(events)), 4, "events.csv, line 4", "quotes is not closed")


def test_crlf_and_blank_lines_are_fine(describe, csv, events):
    events[5:5] = ["", "   "]
    assert GOOD in describe(csv("\r\n".join(events).encode())).shown


@pytest.mark.parametrize(("num_lines", "seen"), [(0, "is empty"), (1, "has a header but no row")])
def test_an_empty_file_is_refused(describe, refused, csv, events, num_lines, seen):
    refused(describe(csv(events[:num_lines])), 4, f"events.csv {seen}", "one row per event")


@pytest.mark.parametrize("name", ["ratings", "movies", "users"])
def test_an_empty_file_of_movielens_is_named(describe, refused, movielens, name):
    setattr(movielens, name, [])
    refused(describe(movielens.folder()), 4, f"{name}.dat is empty")


def test_a_duplicate_header_is_refused(describe, refused, csv, events):
    events[0] = "user,item,time,title,title"
    refused(describe(csv(events)), 4, "events.csv, line 1: column 'title' appears more than once")


@pytest.mark.parametrize("value", ["NaN", "nan", ""])
@pytest.mark.parametrize(("column", "name"), [(0, "user"), (1, "item")])
def test_an_id_that_is_none_names_the_line(describe, refused, csv, events, column, name, value):
    events[3] = changed(events[3], column, value)
    refused(describe(csv(events)), 4, f"events.csv, line 4: {name} id {value!r}")


def test_neighbours_above_2_to_53_stay_two_items(describe, csv, events, fedrec_home):
    one, two = str(2**53), str(2**53 + 1)  # the same float
    swapped = {"i1": one, "i2": two}
    lines = [changed(line, 1, swapped.get(line.split(",")[1], "0")) for line in events[1:]]
    lines = [changed(changed(line, 3, ""), 4, "War") for line in lines]
    assert "30 users, 3 items" in describe(csv([events[0], *lines])).shown
    assert {one, two} <= set(prepared(fedrec_home).catalog.item_ids)


def test_are_two_ids(describe, csv, events, fedrec_home):
    swapped = {"u7": "7", "u8": "007"}
    lines = [
        changed(line, 0, swapped.get(line.split(",")[0], line.split(",")[0])) for line in events
    ]
    assert GOOD in describe(csv(lines)).shown
    assert {"7", "007"} <= set(prepared(fedrec_home).user_ids)


def test_na_null_and_none_are_titles_and_ids(describe, csv, events, fedrec_home):
    words = {"i1": "NA", "i2": "null", "i3": "None"}

    def renamed(line):
        word = words.get(line.split(",")[1])
        return changed(changed(line, 1, word), 3, word) if word else line

    assert GOOD in describe(csv([renamed(line) for line in events])).shown
    catalog = prepared(fedrec_home).catalog
    found = dict(zip(catalog.item_ids, catalog.titles, strict=True))
    assert {word: found[word] for word in words.values()} == {w: w for w in words.values()}


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "-5", "1e400", "yesterday", ""])
def test_a_time_that_is_none_names_the_line(describe, refused, csv, events, value):
    events[3] = changed(events[3], 2, value)
    refused(describe(csv(events)), 4, "events.csv, line 4", value or "''", "time")


@pytest.mark.parametrize("value", ["inf", "-5"])
def test_a_time_of_movielens_that_is_none_names_the_line(describe, refused, movielens, value):
    movielens.ratings[3] = f"1::2::3::{value}"
    refused(describe(movielens.folder()), 4, f"ratings.dat, line 4: time {value!r}", "whole number")


def test_seconds_and_milliseconds_mixed_name_the_line(describe, refused, csv, events):
    events[3] = changed(events[3], 2, events[3].split(",")[2] + "000")
    refused(describe(csv(events)), 4, "events.csv, line 4", "mixes seconds and milliseconds")


def test_equal_timestamps_keep_the_order_of_the_file(describe, csv, events, fedrec_home):
    tied = [changed(line, 2, "7") for line in events[1:]]
    assert GOOD in describe(csv([events[0], *tied])).shown
    dataset = prepared(fedrec_home)
    for user in range(30):
        written = [line.split(",")[1] for line in tied[6 * user : 6 * user + 6]]
        assert ids_of(dataset, f"u{user}") == written


def test_unsorted_events_are_put_in_time_order(describe, csv, events, fedrec_home):
    shuffled = [events[1 + place] for place in np.random.default_rng(0).permutation(180)]
    assert GOOD in describe(csv([events[0], *shuffled])).shown
    assert ids_of(prepared(fedrec_home), "u4") == [line.split(",")[1] for line in events[25:31]]


def test_exact_duplicates_are_dropped_and_counted(describe, csv, events):
    shown = describe(csv([*events, events[3], events[5], events[5]])).shown
    assert GOOD in shown
    assert "left out or repaired: 3 exact duplicate events" in shown


def test_the_same_item_at_another_time_is_kept(describe, csv, events):
    ended = describe(csv([*events, changed(events[3], 2, "1000000999")]))
    assert "30 users, 25 items, 181 events" in ended.shown
    assert "left out" not in ended.shown


@pytest.mark.parametrize("rating", ["0", "6", "3.5", "NaN", "1e1"])
def test_ratings_out_of_range_name_the_line(describe, refused, movielens, rating):
    movielens.ratings[3] = f"1::2::{rating}::1000000000"
    ended = describe(movielens.folder())
    refused(ended, 4, f"ratings.dat, line 4: rating '{rating}'", "1, 2, ... 5")


@pytest.mark.parametrize("rating", ["NaN", "inf", "good"])
def test_ratings_that_are_no_number_name_the_line(describe, refused, csv, events, rating):
    rated = [f"{line},4" for line in events]
    rated[0] = f"{events[0]},rating"
    rated[3] = f"{events[3]},{rating}"
    refused(describe(csv(rated)), 4, "events.csv, line 4", f"'{rating}'", "a finite number")


@pytest.mark.parametrize("word", ["NaN", "Infinity"])
def test_a_nan_in_the_json_of_a_run_is_refused(fedrec, refused, tmp_path, word):
    (tmp_path / "run.json").write_text(f'{{"format": 2, "seconds": {word}}}')
    refused(fedrec("report", tmp_path), 4, "run.json", word)
    assert not (tmp_path / "report.html").exists()


def test_users_with_fewer_than_three_events_are_dropped_and_counted(describe, csv, events):
    short = [changed(line, 0, "short") for line in events[1:3]]
    shown = describe(csv([*events, *short])).shown
    assert GOOD in shown
    assert "left out or repaired: 1 users with fewer than 3 events" in shown
    assert "left out or repaired: 2 events of users with fewer than 3 events" in shown


def test_every_user_dropped_is_refused(describe, refused, csv, events):
    few = [line for place, line in enumerate(events[1:]) if place % 6 < 2]
    ended = describe(csv([events[0], *few]), "data.min-item-events=1")
    refused(ended, 4, "none of 30 users has 3 or more events", "data.min-item-events")


def test_an_item_without_text_gets_a_text_of_its_own_and_is_counted(
    run, csv, events, fedrec_home, caplog
):
    bare = [changed(changed(line, 3, ""), 4, "") if ",i3," in line else line for line in events]
    bare = [changed(changed(line, 3, ""), 4, "") if ",i4," in line else line for line in bare]
    ended = run(csv(bare), "semantics.fields=title,genres")
    assert ended.code == 0, ended.errors
    about = json.loads((fedrec_home / "runs" / "small" / "run.json").read_text())
    assert about["semantics"]["fallback_texts"] == 2
    assert "2 items have no text" in caplog.text
    [table] = (fedrec_home / "semantics").glob("[!r.]*/*.npy")
    norms = np.linalg.norm(np.load(table), axis=1)
    assert norms[0] == 0
    assert (norms[1:] > 0).all()


def test_events_of_items_that_the_catalogue_lacks_stay_and_are_counted(
    describe, csv, events, movielens
):
    items = [f"i{item},Film {item}" for item in range(24)]
    listed = csv(["item,title", *items], "items.csv")
    bare = csv([",".join(line.split(",")[:3]) for line in events])
    movielens.movies = movielens.movies[:-1]
    for ended in (describe(bare, f"data.items={listed}"), describe(movielens.folder())):
        assert GOOD in ended.shown
        assert "left out or repaired: 1 items not in the catalogue" in ended.shown


def test_one_item_with_two_texts_names_both(describe, refused, csv, events):
    place = [number for number, line in enumerate(events) if ",i22," in line][1]
    events[place] = events[place].replace("Film", "Cinema")
    refused(
        describe(csv(events)), 4, f"events.csv, line {place + 1}: title of 'i22'",
        "'Cinema 22'", "'Film 22'",
    )  # fmt: skip


def test_one_movie_id_on_two_lines_names_both(describe, refused, movielens):
    movielens.movies[3] = "1::Another (1999)::War"
    refused(describe(movielens.folder()), 4, "movies.dat, line 4: id 1 is already on line 1")


def test_long_and_strange_texts_are_made_fit_and_counted(describe, csv, events, fedrec_home):
    strange = {
        ",Film 3,": f",{'x' * 2**20},",
        ",Film 4,": ",\x1b[31mFilm\x07,",
        ",Film 5,": ",סרט,",
    }
    text = "\n".join(events)
    for old, new in strange.items():
        text = text.replace(old, new)
    ended = describe(csv(text.encode()))
    assert GOOD in ended.shown
    assert "left out or repaired: 1 texts cut at 10000" in ended.shown
    assert "left out or repaired: 1 texts with control characters" in ended.shown
    titles = prepared(fedrec_home).catalog.titles
    assert max(map(len, titles)) == 10_000
    assert "סרט" in titles
    assert not re.search(r"[\x00-\x1f\x7f]", "".join(titles))


def test_a_catalogue_of_one_item_is_refused(describe, refused, csv, events):
    one = [changed(changed(line, 1, "i1"), 3, "Film 1") for line in events[1:]]
    one = [changed(line, 4, "War") for line in one]
    refused(describe(csv([events[0], *one])), 4, "1 of 1 items", "ranking needs at least 2")
