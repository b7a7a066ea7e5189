"""The file of signals: written whole, joined by item id, refused when it was changed."""

import json

import pytest

from fedrec.errors import DataError
from fedrec.semantics.signals import read_signals, write_signals

HEADER = {"model": "scripted", "date": "2026-01-31", "kinds": ["usage", "theme"]}
SIGNALS = {
    "b": {"usage": "Worn in winter.", "theme": "Cr\u00e8me\u2028"},
    "a": {},
    "c": {"usage": "X."},
}


@pytest.fixture
def path(tmp_path):
    write_signals(tmp_path / "signals.jsonl", HEADER, SIGNALS)
    return tmp_path / "signals.jsonl"


def test_what_is_written_is_read(path):
    found = read_signals(path)
    assert found.by_item == {"b": SIGNALS["b"], "c": SIGNALS["c"]}
    assert found.kinds == ("usage", "theme")
    assert found.header["model"] == "scripted"


def test_signals_are_joined_by_item_id_in_any_order(path):
    found = read_signals(path)
    assert found.texts(["c", "unknown", "b"], "usage") == ["X.", "", "Worn in winter."]
    assert found.texts(["c", "b"], "theme") == ["", "Cr\u00e8me\u2028"]


def test_the_same_signals_are_the_same_bytes(path, tmp_path):
    before = path.read_bytes()
    write_signals(path, HEADER, SIGNALS)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lines: [lines[0], lines[1].replace("winter", "summer"), lines[2]], "another hash"),
        (lambda lines: lines[:2], "another hash"),
        (lambda lines: ["{}", *lines[1:]], "format"),
        (lambda lines: ["no JSON"], "Expecting value"),
        (lambda lines: [], "Expecting value"),
    ],
)
def test_a_file_that_was_changed_is_refused(path, change, told):
    lines = path.read_text(encoding="utf-8").split("\n")[:3]
    path.write_text("\n".join([*change(lines), ""]), encoding="utf-8")
    with pytest.raises(DataError, match=rf"signals.jsonl is no file of signals .*{told}"):
        read_signals(path)


def test_an_item_twice_is_refused(tmp_path):
    from fedrec.files.atomic import sha256

    body = b'{"item": "a", "usage": "X."}\n' * 2
    header = json.dumps({"format": "fedrec-signals-1", "sha256": sha256(body), "kinds": []})
    (tmp_path / "twice.jsonl").write_bytes(header.encode() + b"\n" + body)
    with pytest.raises(DataError, match="item 'a' is in it twice"):
        read_signals(tmp_path / "twice.jsonl")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no.jsonl cannot be read: No such file"):
        read_signals(tmp_path / "no.jsonl")
