from hypothesis import given
from hypothesis import strategies as st

from fedrec.data.readers.raw.csv_text import clean_texts, read_csv, read_fields


def test_a_row_knows_its_line_behind_blank_lines_and_breaks_in_quotes():
    table = read_csv('a,b\n\n1,"x\ny"\n2,z\n', name="f.csv")
    assert table.columns == {"a": ["1", "2"], "b": ["x\ny", "z"]}
    assert table.place(1) == "f.csv, line 5"


def test_fields_carry_their_line():
    assert read_fields(b"a|b\n\nc|d\r\n", name="f", separator="|", num_fields=2) == [
        (1, ["a", "b"]),
        (3, ["c", "d"]),
    ]


@given(st.text(max_size=50))
def test_cleaned_text_is_printable_and_cleaning_twice_changes_nothing(text):
    (once,), _ = clean_texts([text])
    assert clean_texts([once])[0] == [once]
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in once)
    if text.isprintable():
        assert once == text.strip()
