"""CSV read by arrays gives what the csv module gives, to the line of a message."""

import functools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedrec.data.interactions import fingerprint
from fedrec.data.readers.raw.fields import OddTextError, fields_of
from fedrec.data.readers.table_files import delimited
from fedrec.data.readers.table_files.delimited import read_delimited
from fedrec.data.readers.tables import Columns, resolved_table
from fedrec.errors import DataError

IDS = st.sampled_from([
    "1", "7", "007", "12", "+7", "1.0", "NA", "nan", "", " ", " 7", "a", "Ä", "東京", "b" * 9, "-1",
    "0", "00", "1e3", "x;y", "a|b", "a b", "12345678", "123456789", "1234567890123456789",
])  # fmt: skip
WHOLE = st.integers(1, 40).map(str)
TIMES = st.sampled_from([
    "1", "2", "1700000000", "1700000000.5", "1700000000,5", "1700000000123", "99999999999",
    "2024-01-31", "2024-01-31T10:00:00Z", "2024-01-31 10:00:00", "1969-12-31", "31.01.2024",
    "2024-01-31T10:00:00.1234567891Z", "2024-01-31T10:00:00.1234567899Z", "", "-5", "NaN", "4,5",
])  # fmt: skip
RATINGS = st.sampled_from(["1", "4.5", "4,5", "", "good", "inf", "5", "-1", "1e2"])
TEXTS = st.sampled_from(
    ["Brot", "Brot, süß", 'Die "Milch"', "zwei\nZeilen", "", " brot ", "BROT", "a|b", "CR\r\nLF"]
)
SOUND = st.tuples(WHOLE, WHOLE, st.integers(1, 10**10).map(str), WHOLE, st.just("Brot"))
ROWS = st.one_of(SOUND, SOUND, SOUND, st.tuples(IDS, IDS, TIMES, RATINGS, TEXTS))


@st.composite
def files(draw):
    """A file of events, mostly sound, with the oddities that files have."""
    separator = draw(st.sampled_from([",", ",", ";", "\t", "|"]))
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    always = draw(st.booleans())
    rows = draw(st.lists(ROWS, min_size=1, max_size=9))
    if draw(st.booleans()):
        rows.insert(0, ("user", "item", "time", draw(st.sampled_from(["rating", "r"])), "title"))
    lines = [separator.join(cell(text, separator, always=always) for text in row) for row in rows]
    odd = [
        "",
        "",
        " ",
        "\t ",
        "\u00a0",
        "a",
        f"1{separator}2",
        'x"y',
        '"open',
        '""a',
        f"{'1,' * 6}1",
    ]
    for line in draw(st.lists(st.sampled_from(odd), max_size=2)):
        if draw(st.booleans()):
            lines.insert(draw(st.integers(0, len(lines))), line)
    text = draw(st.sampled_from(["", "", "", f"sep={separator}{end}"])) + end.join(lines)
    text += draw(st.sampled_from([end, end, "", "\r\n\n"]))
    data = text.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16"])))
    return data if draw(st.integers(0, 9)) else data[: draw(st.integers(0, len(data)))]


def cell(text, separator, *, always):
    odd = any(sign in text for sign in (separator, '"', "\n", "\r"))
    return '"' + text.replace('"', '""') + '"' if always or odd else text


def outcome(data, name):
    """Everything that is read, or the message."""
    try:
        source = read_delimited(data, name=name)
    except DataError as error:
        return str(error)
    frame = source.frame
    texts = {key: [str(value) for value in frame[key]] for key in frame.columns}
    seen = [source.kind, texts, [source.place(row) for row in range(len(frame))]]
    numbered = "user" not in frame.columns
    columns = Columns(user="1", item="2", time="3") if numbered else Columns(attributes=("item",))
    for chosen in (columns, Columns(user=columns.user, item=columns.item, time="")):
        try:
            events = resolved_table(source, chosen).interactions
        except DataError as error:
            seen.append(str(error))
        else:
            seen += [fingerprint(events), events.skipped, events.notes, events.attributes]
    return seen


def refuse(*_, **__):
    raise OddTextError


def both_ways(monkeypatch, data, name, piece):
    """What arrays read in pieces of some size, and what the csv module reads."""
    with monkeypatch.context() as patch:
        patch.setattr(delimited, "fields_of", functools.partial(fields_of, piece=piece))
        by_arrays = outcome(data, name)
        patch.setattr(delimited, "fields_of", refuse)
        return by_arrays, outcome(data, name)


LAW = given(
    data=files(), name=st.sampled_from(["a.csv", "a.tsv"]), piece=st.sampled_from([1 << 19, 70])
)
FIXTURES = [HealthCheck.function_scoped_fixture]


@settings(max_examples=40, suppress_health_check=FIXTURES)
@LAW
def test_arrays_read_and_refuse_what_the_csv_module_does(monkeypatch, data, name, piece):
    by_arrays, by_lines = both_ways(monkeypatch, data, name, piece)
    assert by_arrays == by_lines


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, suppress_health_check=FIXTURES)
@LAW
def test_arrays_read_and_refuse_what_the_csv_module_does_often(monkeypatch, data, name, piece):
    by_arrays, by_lines = both_ways(monkeypatch, data, name, piece)
    assert by_arrays == by_lines


@pytest.mark.parametrize(
    "text",
    [
        "user,item,time\n1,007,5\n2,NA,6\n",
        "user;item;time\r\n\r\n1;x;5\r\n \r\n2;y;6",
        '"user","item","time"\n"1","a, ""b""\nc","5"\n',
        "1\t2\t3\n1\t3\t4\n",
        "\ufeffuser|item|time\nÄ|東京|5\n",
    ],
)
def test_usual_files_never_need_the_csv_module(monkeypatch, text):
    monkeypatch.setattr(delimited, "read_csv", None)
    assert len(read_delimited(text.encode(), name="a").frame)


def test_whole_numbers_become_integers_only_where_every_field_is_written_so():
    data = b"a,b,c,d\n1,1,10,0\n22,01,99999999999,1\n"
    kinds = read_delimited(data, name="a").frame.dtypes.astype(str).tolist()
    assert kinds == ["int32", "category", "int64", "int32"]


def test_a_column_may_turn_from_integers_to_texts_in_a_later_piece(monkeypatch):
    monkeypatch.setattr(delimited, "fields_of", functools.partial(fields_of, piece=16))
    frame = read_delimited(b"a,b\n" + b"1,10\n2,20\n1,30\n" * 4 + b"x,1\n1,2\n", name="a").frame
    assert frame["a"].tolist() == ["1", "2", "1"] * 4 + ["x", "1"]
    assert frame["b"].tolist() == [10, 20, 30] * 4 + [1, 2]


@pytest.mark.parametrize("digits", range(1, 19))
def test_integers_of_any_length_are_read(digits):
    number = "987654321012345678"[:digits]
    assert read_delimited(f"a,b\n{number},1\n7,1\n".encode(), name="a").frame["a"].tolist() == [
        int(number),
        7,
    ]
