"""A partition rule of the user's own, by "package.module:name"."""

import json

import numpy as np
import pytest

from fedrec.config.user_code import client_code, client_fingerprint
from fedrec.data.partitions.assign import assign
from fedrec.data.partitions.rules import PartitionFacts
from fedrec.data.sequences import Sequences
from fedrec.errors import ConfigError
from fedrec.runs.record import read_run

MODULE = """
import numpy as np

def newest_item(facts, count, rng):
    last = facts.sequences.items[facts.sequences.offsets[1:] - 1]
    return last % count

def drawn(facts, count, rng):
    return np.arange(facts.num_users)[rng.permutation(facts.num_users)] % count

def fractions(facts, count, rng):
    return np.zeros(facts.num_users)

def too_few(facts, count, rng):
    return np.zeros(1, dtype=int)

def beyond(facts, count, rng):
    return np.full(facts.num_users, count)

def one_for_all(facts, count, rng):
    return np.zeros(facts.num_users, dtype=int)

def fails(facts, count, rng):
    return 1 // 0

number = 3
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "my_partition_rules.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def facts(seed=0):
    items = np.array([1, 2, 3, 5, 4, 6], dtype=np.int32)
    return PartitionFacts(sequences=Sequences(items, np.array([0, 2, 3, 4, 6])), seed=seed)


def test_it_gives_each_user_a_partition():
    found = assign("my_partition_rules:newest_item", 2, facts())
    np.testing.assert_array_equal(found, [0, 1, 1, 0])  # the last items are 2, 3, 5, 6
    assert found.dtype == np.int32


def test_its_stream_follows_from_the_seed_of_the_run():
    first, again, other = (
        assign("my_partition_rules:drawn", 4, facts(seed)).tolist() for seed in (0, 0, 1)
    )
    assert first == again != other


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fractions", "must return a whole number for each of 4 users, got float64 of shape .4,"),
        ("too_few", r"must return a whole number for each of 4 users, got int64 of shape \(1,\)"),
        ("beyond", r"must return numbers from 0 to 1 \(partition.count - 1\), got 2 to 2"),
        ("one_for_all", "leaves 1 of 2 partitions empty, the first is 1; lower partition.count"),
        ("fails", "failed on 4 users: ZeroDivisionError: integer .* by zero$"),
        ("number", "must name a callable, got int"),
        ("missing", "cannot be imported: module 'my_partition_rules' has no attribute 'missing'"),
    ],
)
def test_what_is_no_partition_is_refused_in_one_line(name, message):
    with pytest.raises(ConfigError, match=message) as caught:
        assign(f"my_partition_rules:{name}", 2, facts())
    assert str(caught.value).startswith(f"partition.by 'my_partition_rules:{name}'")


def test_a_run_is_split_by_it_and_its_file_is_part_of_the_fingerprint(run_inline, small_config):
    changes = {"partition.by": "my_partition_rules:drawn", "federation.rounds": 1}
    config = small_config(changes)
    assert list(client_code(config)) == ["my_partition_rules.py"]
    assert client_fingerprint(config)
    folder = run_inline(config)
    run = read_run(folder)
    assert run.status == "done"
    sizes = [part["users"] for part in json.loads((folder / "run.json").read_text())["partitions"]]
    assert max(sizes) - min(sizes) <= 1
