"""Damaged MovieLens files: each fault names its file and line."""

import pytest

from fedrec.data.readers.movielens import load_movielens
from fedrec.errors import DataError
from tests.data.readers.test_movielens import MOVIES, latest, ml_1m


def test_a_missing_file_of_the_layout_is_named(tmp_path):
    ml_1m(tmp_path)
    (tmp_path / "users.dat").unlink()
    with pytest.raises(DataError, match=r"no file users\.dat.*data\.source"):
        load_movielens(tmp_path, "ml-1m")


def test_wrong_separator_names_the_first_line(tmp_path):
    with pytest.raises(DataError, match=r"ratings\.dat, line 1: 1 fields in '1,10,5,9'.*'::'"):
        ml_1m(tmp_path, ratings="1,10,5,9\n")


@pytest.mark.parametrize(
    ("line", "seen"), [("1::10::5", 3), ("1::10::5::9::9", 5), ("1:10:5:9:9:9:9", 1)]
)
def test_too_few_or_too_many_fields_name_the_line(tmp_path, line, seen):
    with pytest.raises(DataError, match=rf"ratings\.dat, line 2: {seen} fields.*expected 4"):
        ml_1m(tmp_path, ratings=f"1::10::5::9\n{line}\n7::20::1::9\n")


def test_a_long_and_a_short_line_do_not_hide_each_other(tmp_path):
    with pytest.raises(DataError, match=r"ratings\.dat, line 1: 5 fields"):
        ml_1m(tmp_path, ratings="1::10::5::9::9\n1::10::5\n")


def test_a_short_line_before_a_long_one_is_found(tmp_path):
    with pytest.raises(DataError, match=r"ratings\.dat, line 1: 3 fields"):
        ml_1m(tmp_path, ratings="1::10::5\n1::10::5::9::9\n")


def test_a_separator_inside_a_title_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"movies\.dat, line 2: 4 fields.*no '::' inside"):
        ml_1m(tmp_path, movies=MOVIES.replace("Léon", "Lé::on"))


def test_latin1_read_as_utf8_names_the_byte(tmp_path):
    # The header has 22 bytes; "5,L" makes the letter byte 25.
    with pytest.raises(DataError, match=r"movies\.csv, line 2: byte 25 \(0xe9\) is not UTF-8"):
        latest(tmp_path, movies=b"5,L\xe9on,Action\r\n")


def test_a_nul_byte_names_the_line(tmp_path):
    with pytest.raises(DataError, match=r"ratings\.dat, line 2: a NUL byte"):
        ml_1m(tmp_path, ratings="1::10::5::9\n1::10\0::5::9\n")


def test_blank_lines_still_count_when_a_line_is_named(tmp_path):
    with pytest.raises(DataError, match=r"ratings\.dat, line 3: rating '9'"):
        ml_1m(tmp_path, ratings="\n1::10::5::9\n1::10::9::9\n")


@pytest.mark.parametrize("name", ["ratings", "movies", "users"])
@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file_is_refused(tmp_path, name, text):
    with pytest.raises(DataError, match=f"{name}.dat is empty"):
        ml_1m(tmp_path, **{name: text})


def test_header_only_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"ratings\.csv is empty"):
        latest(tmp_path, ratings="")


@pytest.mark.parametrize("value", ["nan", "", "1e3", "9223372036854775808", "-4", "inf"])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_number_that_is_none_names_its_line(tmp_path, value, place):
    fields = ["1", "10", "5", "978300760"]
    fields[place] = value
    with pytest.raises(DataError, match=r"ratings\.dat, line 2: (user|item|time) '.*whole number"):
        ml_1m(tmp_path, ratings="1::10::5::9\n" + "::".join(fields) + "\n")


def test_seconds_and_milliseconds_mixed_name_the_line(tmp_path):
    with pytest.raises(DataError, match=r"ratings\.dat, line 2: .*milliseconds"):
        ml_1m(tmp_path, ratings="1::10::5::978300760\n1::20::5::978300760000\n")


@pytest.mark.parametrize("rating", ["0", "6", "4.5", "nan", "-1", ""])
def test_ratings_out_of_range_name_the_line(tmp_path, rating):
    with pytest.raises(DataError, match=r"ratings\.dat, line 2: rating '.*' is not one of 1, 2"):
        ml_1m(tmp_path, ratings=f"1::10::5::9\n1::10::{rating}::9\n")


@pytest.mark.parametrize("rating", ["0.0", "5.5", "4.25", "NaN", "inf"])
def test_half_star_ratings_out_of_range_name_the_line(tmp_path, rating):
    with pytest.raises(DataError, match=r"ratings\.csv, line 3: rating '.*' is not one of .5, 1"):
        latest(tmp_path, ratings=f"1,5,4.0,9\r\n1,5,{rating},9\r\n")


def test_one_item_id_with_two_texts_names_both_lines(tmp_path):
    with pytest.raises(DataError, match=r"movies\.dat, line 3: id 10 is already on line 1"):
        ml_1m(tmp_path, movies=MOVIES + "10::Another (1990)::Drama\n")
