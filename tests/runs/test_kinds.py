"""Values of other types in run.json and rounds.jsonl are refused in one line."""

import json

import pytest

from fedrec.errors import DataError
from fedrec.runs.kinds import ABOUT_KINDS, ROUND_KINDS, check_kinds
from fedrec.runs.record import FORMAT, read_about, read_rounds
from server.round_line import empty_round

ODD = (None, "x", -1, 1.5, True, [], [1], {"x": 1})


@pytest.mark.parametrize("key", sorted(ABOUT_KINDS))
def test_a_value_of_another_type_is_refused_with_its_key(tmp_path, key):
    allowed, path = ABOUT_KINDS[key], tmp_path / "run.json"
    for odd in ODD:
        path.write_text(json.dumps({"format": FORMAT, key: odd}))
        is_record = odd == [1] and key in ("resumed", "extended", "partitions")
        if (type(odd) in allowed or (type(odd) is int and float in allowed)) and not is_record:
            assert read_about(tmp_path)[key] == odd
            continue
        with pytest.raises(DataError, match=f"{key} is .*, expected .*; the file is damaged"):
            read_about(tmp_path)


def test_what_a_round_writes_has_the_types_that_are_asked_for():
    line = empty_round(3)
    assert line.keys() - ROUND_KINDS.keys() == set()
    check_kinds(line, ROUND_KINDS, "here")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"round": "1"}, "line 2: round is str, expected int"),
        ({"excluded": {}}, "line 2: excluded is dict, expected list"),
        ({"excluded": ["x"]}, "line 2: excluded is a list of others, expected list"),
        ({"elapsed": None}, "line 2: elapsed is NoneType, expected int or float"),
        ({"best": 1}, "line 2: best is int, expected bool"),
    ],
)
def test_a_round_of_another_shape_is_named_by_its_line(tmp_path, change, words):
    lines = [empty_round(0), empty_round(1) | change]
    path = tmp_path / "rounds.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(DataError, match=words):
        read_rounds(path)


def test_a_round_without_a_number_is_refused(tmp_path):
    (tmp_path / "rounds.jsonl").write_text('{"best": false}\n')
    with pytest.raises(DataError, match="line 1: no round in it"):
        read_rounds(tmp_path / "rounds.jsonl")
