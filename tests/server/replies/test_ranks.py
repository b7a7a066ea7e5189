"""Ranks that cannot be are excluded with their reason, and nothing a client sends ends the run."""

import math
import re

import numpy as np
import pytest
from flwr.app import Array, Message, RecordDict

from fedrec import protocol
from fedrec.errors import ParticipationError
from server.evaluation.evaluate import evaluate, evaluate_round
from server.round_line import empty_round
from server.rounds import train_round

TAMPERED = 1  # of three partitions


def ranks_of(reply):
    return reply.content.array_records[protocol.RANKS]


def put(name, change):
    """Change an array of ranks, given as numpy's."""

    def tamper(reply, message):
        array = ranks_of(reply)[name].numpy().copy()
        ranks_of(reply)[name] = Array(np.asarray(change(array)))

    return tamper


def put_first(name, value):
    def change(array):
        array = array.astype(np.result_type(array, type(value)))
        array[0] = value
        return array

    return put(name, change)


def put_sum(column, value):
    """A number of the sums of gate weights: how many positions, or a view's sum."""

    def change(array):
        array[0, 0, column] = value
        return array

    return put("gates", change)


def drop(name):
    def tamper(reply, message):
        ranks_of(reply).pop(name)

    return tamper


def add(reply, message):
    ranks_of(reply)["more"] = Array(np.zeros(3))


def no_array(reply, message):
    ranks_of(reply)["rank/full"] = Array("float64", (20,), "numpy.ndarray", b"none")


def without_record(reply, message):
    reply.content.pop(protocol.RANKS)


def stale(reply, message):
    reply.content.config_records[protocol.METADATA][protocol.ROUND] = 7


def empty(reply, message):
    return Message(RecordDict(), reply_to=message)


CANNOT = "holds impossible numbers"
BAD = {
    "nan": (put_first("rank/full", math.nan), f"'rank/full' {CANNOT}"),
    "infinite": (put_first("rank/full", math.inf), f"'rank/full' {CANNOT}"),
    "zero": (put_first("rank/full", 0.0), f"'rank/full' {CANNOT}"),
    "beyond_the_catalogue": (put_first("rank/full", 1e6), f"'rank/full' {CANNOT}"),
    "beyond_the_candidates": (put_first("candidates", 1), "ranks beyond the candidates"),
    "missing": (drop("rank/full"), r"\['rank/full'\] are on one side only"),
    "one_more": (add, r"\['more'\] are on one side only"),
    "no_array": (no_array, "'rank/full' cannot be read as numbers"),
    "words": (put("rank/full", lambda a: a.astype("U8")), "'rank/full' cannot be read as numbers"),
    "complex": (put("rank/full", lambda a: a + 1j), "'rank/full' cannot be read as numbers"),
    "short": (put("rank/full", lambda a: a[:-1]), r"'rank/full' has shape \(19,\), not one row"),
    "two_columns": (put("rank/full", lambda a: a[:, None]), r"has shape \(20, 1\), not one row"),
    "a_single_number": (put("rank/full", lambda a: a[0]), r"has shape \(\), not one row"),
    "gates_of_one_kind": (put("gates", lambda a: a[0]), r"'gates' has shape \(32, 4\), expected"),
    "other_gates": (put("gates", lambda a: a[..., :3]), r"\(3, 32, 3\), expected \(3, 32, 4\)"),
    "whole_gates": (put("gates", lambda a: a.astype(int)), "'gates' cannot be read as numbers"),
    "no_gates": (drop("gates"), r"\['gates'\] are on one side only"),
    "huge_gates": (put_sum(1, 1e38), f"'gates' {CANNOT}"),
    "gates_of_nan": (put_sum(1, math.nan), f"'gates' {CANNOT}"),
    "negative_gates": (put_sum(1, -1.0), f"'gates' {CANNOT}"),
    "gates_of_half_a_position": (put_sum(0, 0.5), f"'gates' {CANNOT}"),
    "gates_of_more_positions_than_events": (put_sum(0, 1e5), f"'gates' {CANNOT}"),
    "others_users": (put("users", lambda a: a + 1), "'users' are not those that it declared"),
    "half_users": (put("users", lambda a: a + 0.5), "'users' cannot be read as numbers"),
    "negative_users": (put("users", lambda a: a - 1000), f"'users' {CANNOT}"),
    "half_targets": (put("targets", lambda a: a + 0.5), "'targets' cannot be read as numbers"),
    "no_target": (put_first("targets", 0), f"'targets' {CANNOT}"),
    "a_target_nobody_has": (put_first("targets", 10**6), f"'targets' {CANNOT}"),
    "half_candidates": (put("candidates", lambda a: a - 0.5), "'candidates' cannot be read as"),
    "half_events": (put("events", lambda a: a + 0.5), "'events' cannot be read as numbers"),
    "no_candidates": (put("candidates", lambda a: 0 * a), f"'candidates' {CANNOT}"),
    "huge_candidates": (put_first("candidates", 10**6), f"'candidates' {CANNOT}"),
    "no_events": (put_first("events", 0), f"'events' {CANNOT}"),
    "more_events_than_can_be": (put_first("events", 2**60), f"'events' {CANNOT}"),
    "personal_ranks_of_nobody": (
        lambda r, m: ranks_of(r).update(personal=ranks_of(r)["rank/full"]),
        r"\['personal'\] are on one side only",
    ),
    "stale": (stale, "replies to round 7 instead of 0"),
    "no_record": (without_record, r"its records \['ranks'\] are on one side only"),
    "empty": (empty, "sent no metadata"),
}


def evaluated(federation, state, **keywords):
    asked = {"occasion": "evaluate 0", "round": 0, "stage": "test", "protocols": ["full"]}
    return evaluate(federation, state, **asked | keywords)


@pytest.mark.parametrize(
    ("change", "reason"),
    [pytest.param(*case, id=f"{name}") for name, case in BAD.items()],
)
def test_ranks_that_cannot_be_are_excluded_with_their_reason(
    small_federation, tampered, remembered, change, reason
):
    client = tampered(change, kind="evaluate", app=remembered)
    federation, state = small_federation(client=client)
    found = evaluated(federation, state)
    assert set(found.ranks.partitions) == {0, 2}
    [dropped] = found.excluded
    assert dropped.partition == TAMPERED
    assert re.search(reason, dropped.reason), dropped.reason


def test_the_ranks_that_are_used_are_those_of_the_honest(small_federation, tampered, remembered):
    federation, state = small_federation(client=remembered)
    everybody = evaluated(federation, state).ranks
    hostile, other = small_federation(
        client=tampered(put_first("rank/full", 0.0), kind="evaluate", app=remembered)
    )
    rest = evaluated(hostile, other).ranks
    kept = everybody.partitions != TAMPERED
    for field in ("users", "partitions", "targets", "events", "candidates"):
        np.testing.assert_array_equal(getattr(rest, field), getattr(everybody, field)[kept])
    np.testing.assert_array_equal(rest.ranks["full"], everybody.ranks["full"][kept])
    [by_position, _, _] = rest.gates[..., 0].sum(axis=1)
    assert by_position == (everybody.events[kept] - 1).clip(max=12).sum()  # of model.max-length


@pytest.mark.parametrize(("rank", "partitions"), [(100.0, [0, 1, 2]), (101.0, [0, 2])])
def test_a_rank_among_a_hundred_is_a_hundred_at_most(small_federation, tampered, rank, partitions):
    large = {"data.source": "synthetic:users=60,items=200", "data.min-item-events": 1}
    client = tampered(put_first("rank/uniform-99", rank), kind="evaluate")
    federation, state = small_federation(large, client=client)
    found = evaluated(federation, state, protocols=["full", "uniform-99"])
    assert sorted(set(found.ranks.partitions)) == partitions


def test_a_client_cannot_hide_users_who_can_be_sampled(small_federation, tampered):
    large = {"data.source": "synthetic:users=60,items=200", "data.min-item-events": 1}
    client = tampered(put_first("rank/uniform-99", math.nan), kind="evaluate")
    federation, state = small_federation(large, client=client)
    found = evaluated(federation, state, protocols=["uniform-99"])
    (dropped,) = found.excluded
    assert dropped.reason == (
        "its array 'rank/uniform-99' lacks other ranks than those of few candidates"
    )


def test_a_client_that_hides_its_personal_ranks_does_not_hide_those_of_the_others(
    small_federation, tampered
):
    client = tampered(drop("personal"), kind="evaluate")
    federation, state = small_federation({"model.private": "gate-bias"}, client=client)
    train_round(federation, state, 1)
    found = evaluated(federation, state, round=1, protocols=["full"])
    assert [one.reason for one in found.excluded] == [
        "its arrays ['personal'] are on one side only"
    ]
    assert len(found.ranks.personal) == len(found.ranks.users) == 40


def test_personal_ranks_beyond_the_candidates_are_excluded(small_federation, tampered):
    def beyond(reply, message):
        ranks = ranks_of(reply)
        ranks["personal"] = Array(ranks["candidates"].numpy() + 0.5)

    client = tampered(beyond, kind="evaluate")
    federation, state = small_federation({"model.private": "gate-bias"}, client=client)
    train_round(federation, state, 1)
    [dropped] = evaluated(federation, state, round=1, protocols=["full"]).excluded
    assert dropped.reason == "its array 'personal' holds ranks beyond the candidates"


def test_ranks_in_other_dtypes_of_their_kind_are_kept_in_ours(
    small_federation, tampered, remembered
):
    def change(reply, message):
        for name in ("users", "targets", "candidates", "events"):
            ranks_of(reply)[name] = Array(ranks_of(reply)[name].numpy().astype(np.uint64))
        ranks_of(reply)["gates"] = Array(ranks_of(reply)["gates"].numpy().astype(np.float32))

    federation, state = small_federation(client=tampered(change, kind="evaluate", app=remembered))
    found = evaluated(federation, state).ranks
    kinds = {name: getattr(found, name).dtype for name in ("users", "targets", "events", "gates")}
    assert kinds == {"users": "int64", "targets": "int64", "events": "int64", "gates": "float64"}
    assert len(found.users) == 60


def test_who_gave_no_ranks_is_on_the_rounds_line(small_federation, tampered, remembered):
    client = tampered(empty, kind="evaluate", app=remembered)
    federation, state = small_federation(client=client)
    line = evaluate_round(federation, state, empty_round(0))
    assert line["excluded"] == [{"partition": 1, "reason": "sent no metadata", "while": "evaluate"}]


def test_ranks_of_too_few_clients_are_no_evaluation(small_federation, tampered, remembered):
    client = tampered(empty, kind="evaluate", partitions=(0, 1), app=remembered)
    federation, state = small_federation(client=client)
    with pytest.raises(ParticipationError, match=r"evaluation in round 0: 1 of 3 .*2 are needed"):
        evaluated(federation, state)
