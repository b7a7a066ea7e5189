"""The table of benchmarks.users: ratios within a turn, medians over turns, what meets a target."""

import pytest

from benchmarks.users.table import Measured, Turn, evaluated, markdown, ratios, row_of


def measured(kind, seconds, *, processes=1, device="cpu", norm=1.0, name=None, **more):
    """A system that took so long in turns 1, 2, ... of 100 clients and 1,000 tokens."""
    turns = tuple(
        Turn(number, one, 2 * one, 1000, 100, None if kind == "centralised" else norm)
        for number, one in enumerate(seconds, start=1)
        if one is not None
    )
    return Measured(name or kind, kind, processes, device, turns, **more)


def test_a_ratio_compares_two_systems_in_the_same_turn():
    # The machine was three times slower in turn 2, for both; only one of them took turn 3.
    assert ratios(measured("loop", [2, 6]), measured("centralised", [1, 3, 50])) == [2, 2]


def test_systems_that_never_met_have_no_ratio():
    row = row_of(measured("loop", [2]), [measured("centralised", [None, 1])])
    assert row["cost over centralised"] is None


def test_cost_is_over_the_fastest_centralised_pass_with_as_many_processes():
    slow, fast = (measured("centralised", [s], name=f"centralised {s}") for s in (4, 2))
    spread = measured("centralised", [1], processes=2)
    engine = measured("engine", [3])
    assert row_of(engine, [engine, slow, fast, spread])["cost over centralised"] == 3 / 2


def test_speed_is_over_the_plain_loop():
    engine, loop = measured("engine", [2, 2, 2]), measured("loop", [6, 4, 5])
    row = row_of(engine, [engine, loop])
    assert row["speed over loop"] == pytest.approx(2.5)  # median of 3, 2 and 2.5
    assert row["clients/s"] == 50
    assert row["tokens/s"] == 500


def test_a_target_is_met_by_the_median_over_turns():
    engine = measured("engine", [1, 1, 1])
    loop = measured("loop", [4.4, 4.6, 9])
    centralised = measured("centralised", [0.8, 1.0, 0.9])
    speed, cost = evaluated([engine, loop, centralised])
    assert (speed["median"], speed["from"], speed["to"], speed["met"]) == (4.6, 4.4, 9, "yes")
    assert (cost["median"], cost["target"], cost["met"]) == (1 / 0.9, "<= 0.55", "no")


def test_the_gpu_is_judged_by_the_loop_on_it():
    systems = [measured("engine", [1], device="cuda"), measured("loop", [60], device="cuda")]
    assert [(one["target"], one["met"]) for one in evaluated(systems)] == [(">= 50", "yes")]


def test_a_system_that_did_other_work_is_named():
    loop, other = measured("loop", [1]), measured("flower", [1], norm=1.01)
    assert row_of(other, [loop, other])["note"] == "its update differs by 1.0%"
    assert row_of(loop, [loop, other])["note"] == ""


def test_a_system_that_could_not_be_had_is_in_the_table_with_the_reason():
    missing = measured("pfl", [], reason="no such package")
    text = markdown([row_of(one, [missing]) for one in (measured("loop", [1]), missing)])
    assert text.splitlines()[-1] == "| pfl | 1 | 0 | - | - | - | no such package |"


def test_columns_without_a_value_are_left_out():
    assert markdown([{"a": 1, "b": None}, {"a": 12345.6, "b": None}]) == (
        "| a |\n| --- |\n| 1 |\n| 12,346 |"
    )
