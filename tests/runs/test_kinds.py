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
        is_record = is_record or (odd == {"x": 1} and key in ("sent", "start_from"))
        if (type(odd) in allowed or (type(odd) is int and float in allowed)) and not is_record:
            assert read_about(tmp_path)[key] == odd
            continue
        with pytest.raises(
            DataError, match=f"{key} (is .*, expected|lacks) .*; the file is damaged"
        ):
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


RIGHT = {
    "extended": [
        {"after": 2, "from": 2, "to": 4, "fresh_optimizers": True, "evaluated_as_last": False}
    ],
    "start_from": {"source": "runs/a", "sha256": "0" * 64},
    "sent": {
        "share_counts": True,
        "min_users": 20,
        "clients": 3,
        "users": 60,
        "users_counted": 60,
        "item_counts": 3,
        "held_out_items": 3,
        "user_ids": 3,
    },
}


@pytest.mark.parametrize("key", RIGHT)
def test_what_an_object_of_run_json_lacks_or_has_of_another_type_is_named(tmp_path, key):
    def written(value):
        (tmp_path / "run.json").write_text(json.dumps({"format": FORMAT, key: value}))
        return read_about(tmp_path)[key]

    assert written(RIGHT[key]) == RIGHT[key]
    [whole] = RIGHT[key] if isinstance(RIGHT[key], list) else [RIGHT[key]]
    for inner in whole:
        for wrong in (
            {name: value for name, value in whole.items() if name != inner},
            whole | {inner: [1]},
        ):
            with pytest.raises(DataError, match=f"{key}.*{inner}.*; the file is damaged"):
                written([wrong] if isinstance(RIGHT[key], list) else wrong)
