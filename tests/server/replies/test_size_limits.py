"""Limits on what a reply may say, at their bounds."""

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict

from fedrec import protocol
from fedrec.errors import FedrecError
from fedrec.records import array_record
from server.engines.nodes import FIRST_NODE, act_as_server
from server.messages.failures import raise_failure
from server.messages.records import unexpected_records
from server.replies.outcome import RejectedReply, sort_replies
from server.replies.ranks import validate_ranks_reply
from server.replies.train import checked_loss


def reply_with(facts, arrays=None):
    act_as_server()
    question = Message(RecordDict(), FIRST_NODE, MessageType.TRAIN)
    question.metadata.__dict__["_message_id"] = "1"
    records: dict[str, ConfigRecord | ArrayRecord | MetricRecord] = {
        protocol.METADATA: ConfigRecord(facts)
    }
    if arrays is not None:
        records[protocol.METRICS] = MetricRecord({})
        records[protocol.RANKS] = array_record(arrays)
    return Message(RecordDict(records), reply_to=question)


@pytest.mark.parametrize(("length", "is_accepted"), [(65_000, True), (66_000, False)])
def test_metadata_are_at_most_64_kib(length, is_accepted):
    content = reply_with({"x": "x" * length}).content
    reason = "" if is_accepted else "its record 'metadata' holds 66001 bytes, more than 65536"
    assert unexpected_records(content, {protocol.METADATA}) == reason
    assert unexpected_records(content, {protocol.METADATA}, more=1_000) == ""


@pytest.mark.parametrize(
    ("count", "shown"), [(3, "['a0', 'a1', 'a2']"), (4, "['a0', 'a1', 'a2', and 1 more]")]
)
def test_three_of_the_further_records_are_named(count, shown):
    content = reply_with({}).content
    for number in range(count):
        content[f"a{number}"] = ConfigRecord({})
    found = unexpected_records(content, {protocol.METADATA})
    assert found == f"its records {shown} are on one side only"


def excluded_client(facts):
    """What is on record of the one client that says these facts."""
    accepted, excluded = (
        getattr(sort_replies([reply_with(facts)], {FIRST_NODE: 0}, [0], lambda *_: None), name)
        for name in ("accepted", "excluded")
    )
    assert not accepted
    return excluded[0]


@pytest.mark.parametrize("length", [599, 600, 601])
def test_600_characters_of_a_clients_reason_are_shown(length):
    text = "x" * (length - 1) + "y"
    shown = text if length <= 600 else text[:600] + " ..."
    assert excluded_client({protocol.ERROR: text}).reason == shown
    with pytest.raises(FedrecError) as caught:
        raise_failure(reply_with({protocol.ERROR: text}))
    assert str(caught.value) == shown


@pytest.mark.parametrize("length", [19_999, 20_000, 20_001])
def test_20_000_characters_of_a_clients_traceback_are_kept_with_their_lines(length):
    text = "line\n" * 3_999 + "x" * (length - 5 * 3_999 - 1) + "y"
    found = excluded_client({protocol.ERROR: "broken", protocol.TRACEBACK: text}).traceback
    assert found == (text if length <= 20_000 else text[:20_000] + " ...")


def test_a_training_loss_lies_between_0_and_a_million():
    for loss in (0.0, 1e6, float(np.nextafter(1e6, 0))):
        assert checked_loss(loss) == loss
    for loss in (float(np.nextafter(0, -1)), float(np.nextafter(1e6, 2e6)), float("nan"), 1):
        with pytest.raises(RejectedReply, match="expected a number from 0 to 1e"):
            checked_loss(loss)


def validated(arrays, **flags):
    """A reply about one user of a catalogue of ten items, read."""
    return validate_ranks_reply(
        reply_with({protocol.ROUND: 4, protocol.PARTITION: 0}, arrays),
        round=4,
        partition=0,
        users=arrays[protocol.USER_NUMBERS],
        protocols=("full",),
        num_items=10,
        num_events=200,
        num_gates=0,
        is_personalised=False,
        names_items=False,
        **flags,
    )


def of_one_user(events=3):
    """Arrays of a reply about one user with so many events."""
    values = {
        protocol.USER_NUMBERS: 0,
        protocol.CANDIDATES: 10,
        protocol.EVENTS: events,
        protocol.rank_array("full"): 1,
    }
    return {name: np.array([value], dtype=np.int64) for name, value in values.items()}


def ranks(**changes):
    """A reply with other numbers in its arrays, read."""
    return validated(
        of_one_user() | {name: np.array([value], dtype=np.int64) for name, value in changes.items()}
    )


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        (protocol.USER_NUMBERS, 0, 2**31 - 1),
        (protocol.EVENTS, 1, 200),
        (protocol.CANDIDATES, 1, 10),
        (protocol.rank_array("full"), 1, 10),
    ],
)
def test_numbers_of_a_reply_about_ranks_lie_within_their_bounds(name, low, high):
    for value in (low, low + 1, high - 1, high):
        assert ranks(**{name: value})[name].tolist() == [value]
    for value in (low - 1, high + 1):
        with pytest.raises(RejectedReply, match=f"{name}' holds impossible numbers"):
            ranks(**{name: value})


def further(events, **changes):
    """Sums over positions, or shares of genres, of one user with so many events, read."""
    return validated(
        of_one_user(events) | changes,
        has_positions=protocol.POSITIONS in changes,
        has_jaccard=protocol.JACCARD in changes,
    )


def test_sums_over_positions_are_of_as_many_in_both_ways_and_fewer_than_events():
    sums = np.array([[[4, 1, 2, 3, 1.5, 2.5]] * 2])
    np.testing.assert_array_equal(further(5, positions=sums)["positions"], sums)
    assert not further(5, positions=np.zeros_like(sums))["positions"].any()
    other, more, half, negative = (sums.copy() for _ in range(4))
    other[0, 1, 0], more[0, 0, 5], half[0, :, 0], negative[0, 0, 1] = 3, 4.5, 3.5, -1
    for wrong in (other, more, half, negative, sums * np.nan, sums * np.inf):
        with pytest.raises(RejectedReply, match="its array 'positions' holds impossible numbers"):
            further(5, positions=wrong)
    with pytest.raises(RejectedReply, match="holds impossible numbers"):
        further(4, positions=sums)  # the first event of a user is no position
    with pytest.raises(
        RejectedReply, match=r"'positions' has shape \(1, 2, 5\), expected \(1, 2, 6"
    ):
        further(5, positions=sums[..., 1:])
    with pytest.raises(RejectedReply, match="'positions' cannot be read as numbers of its kind"):
        further(5, positions=sums.astype(int))


def test_genres_in_common_are_shares_or_nothing():
    for good in ([0.0, 1.0], [0.5, 0.2], [np.nan, np.nan]):
        np.testing.assert_array_equal(further(5, jaccard=np.array([good]))["jaccard"], [good])
    for wrong in ([-0.1, 0.5], [0.5, 1.1], [0.5, np.nan], [np.inf, 0.0]):
        with pytest.raises(RejectedReply, match="its array 'jaccard' holds impossible numbers"):
            further(5, jaccard=np.array([wrong]))
