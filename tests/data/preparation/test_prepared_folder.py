"""The folder of prepared data that belongs to a hash."""

import json

from fedrec.data.preparation.prepared_folder import find_prepared


def test_the_folder_of_a_hash_is_found_beside_others_and_damaged_ones(tmp_path):
    for name, text in {
        "a": json.dumps({"data_hash": "1"}),
        "b": "{",
        "c": "[]",
        "d": json.dumps({"data_hash": "2"}),
    }.items():
        (tmp_path / "prepared" / name).mkdir(parents=True)
        (tmp_path / "prepared" / name / "manifest.json").write_text(text)
    assert find_prepared("2", tmp_path) == tmp_path / "prepared" / "d"
    assert find_prepared("1", tmp_path) == tmp_path / "prepared" / "a"
    assert find_prepared("3", tmp_path) is None
    assert find_prepared("1", tmp_path / "empty") is None
