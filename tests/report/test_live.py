"""The table of rounds while a run goes on: a legend once, the time left, room in 80 columns."""

import io

import pytest
from rich.console import Console

from fedrec.report.live import LEGEND, LiveRounds


def record(number, seconds, protocol="full"):
    return {
        "round": number,
        "seconds": {"total": seconds},
        "sampled": list(range(10)),
        "aggregated": list(range(10)),
        "train_loss": 5.125,
        "megabytes": 1234.56,
        "validation": {"HR@10": 0.25, "NDCG@10": 0.125},
        "validation_users": 6040,
        "clients": {"NDCG@10": {"p10": 0.1, "p50": 0.12, "p90": 0.15}},
        "best": True,
    }


def shown(*records, width=80, is_terminal=False, protocol="full", **options):
    console = Console(file=io.StringIO(), width=width, force_terminal=is_terminal, height=40)
    with LiveRounds(console, protocol, **options) as live:
        for one in records:
            live.add(one)
    return console.file.getvalue()


@pytest.mark.parametrize("is_terminal", [False, True])
def test_the_columns_are_explained_once(is_terminal):
    text = shown(record(0, 1.0), record(1, 2.0), record(2, 2.0), is_terminal=is_terminal)
    for line in LEGEND:
        assert text.count(line) == 1
        assert len(line) <= 80


def test_nothing_is_explained_where_nothing_is_shown():
    assert shown(record(0, 1.0), quiet=True) == ""


def test_the_time_left_is_that_of_the_last_five_rounds_times_those_that_remain():
    # Round 0 trains nothing; the last five of rounds 1 to 6 take 20 s each, four remain.
    rounds = [record(0, 99.0), record(1, 900.0), *(record(n, 20.0) for n in range(2, 7))]
    lines = shown(*rounds, rounds=10).splitlines()[len(LEGEND) + 1 :]
    assert "about" not in lines[0]
    assert lines[1].endswith("  about 2 h 15 min to round 10")  # 9 times 900 s
    assert lines[6].endswith("  about 1 min 20 s to round 10")
    assert "about" not in shown(record(10, 20.0), rounds=10)
    assert "about" not in shown(record(1, 20.0))


def test_a_round_that_is_evaluated_says_nothing_of_those_that_are_not():
    rounds = [record(number, 2.0) for number in range(1, 101)]
    for one in rounds[9::10]:  # every tenth takes 40 s more
        one["seconds"] = {"total": 42.0, "evaluate": 40.0}
    lines = shown(*rounds, rounds=200).splitlines()[len(LEGEND) + 1 :]
    assert lines[8].endswith("  about 6 min 22 s to round 200")  # 191 times 2 s
    assert lines[9].endswith("  about 19 min 00 s to round 200")  # 190 times 2 + 40 / 10 s
    assert lines[99].endswith("  about 10 min 00 s to round 200")  # 100 times 6 s


def test_the_time_left_stands_below_the_live_table():
    text = shown(record(0, 1.0), record(1, 20.0), rounds=4, is_terminal=True)
    assert "about 1 min 00 s to round 4" in text


@pytest.mark.parametrize("protocol", ["full", "uniform-99", "popularity-100"])
def test_nothing_is_cut_at_80_columns(protocol):
    text = shown(record(17, 123.4), is_terminal=True, protocol=protocol)
    assert "…" not in text
    assert "0.100/0.120/0.150" in text
