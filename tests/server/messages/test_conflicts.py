"""Registrations that contradict each other: the liar is left out where it can be known."""

import json

import numpy as np
import pytest
from flwr.app import Array, ConfigRecord, Error, Message, RecordDict

from clients.app import app
from fedrec import protocol
from fedrec.config.keys import flatten
from fedrec.errors import ConfigError, DataError, MessageError, ParticipationError
from server.engines.inline import InlineGrid
from server.messages.conflicts import contradicting
from server.messages.declarations import Declaration
from server.messages.registration import register_clients


def declared(users, data="a", table="t", views="", counts=None, each=None):
    return Declaration(
        partition=0,
        users=np.array(users),
        user_ids=[str(user) for user in users],
        targets=1,
        user_targets=each,
        counts=counts,
        hashes=(data, table),
        views_hash=views,
    )


def left_out(*declarations):
    return sorted(contradicting(dict(enumerate(declarations))))


def test_who_says_something_else_than_most_others_is_left_out():
    assert left_out(declared([0]), declared([1]), declared([2])) == []
    assert left_out(declared([0]), declared([1], data="b"), declared([2])) == [1]
    assert left_out(declared([0]), declared([1]), declared([2], table="u")) == [2]
    assert left_out(declared([0], views="v"), declared([1]), declared([2])) == [0]
    five = [declared([0]), declared([1], data="b"), declared([2]), declared([3], views="v")]
    assert left_out(*five, declared([4])) == [1, 3]
    each = [declared([user], each=np.array([4])) for user in range(3)]
    assert left_out(*each) == []
    assert left_out(*each, declared([3])) == [3]  # it does not tell its users' targets


@pytest.mark.parametrize(
    ("others", "error"),
    [
        ([declared([1], data="b")], DataError),
        ([declared([1], views="v")], ConfigError),
        ([declared([1], each=np.array([4]))], MessageError),
        ([declared([1]), declared([2], data="b"), declared([3], data="b")], DataError),
    ],
)
def test_without_more_than_half_of_one_mind_nobody_can_be_believed(others, error):
    with pytest.raises(error, match="SuperNodes"):
        left_out(declared([0]), *others)


def test_of_two_that_claim_a_user_neither_is_believed():
    assert left_out(declared([0, 1]), declared([1, 2]), declared([3])) == [0, 1]
    found = contradicting({4: declared([7, 8]), 6: declared([9, 8])})
    assert str(found[4]).endswith("the same user: 8 is declared by partitions 4 and 6")
    assert str(found[6]).endswith("the same user: 8 is declared by partitions 6 and 4")
    # A chain of claims names nobody: each of them may lie.
    chain = [declared([0, 1]), declared([1, 2]), declared([2, 3]), declared([3, 4])]
    assert left_out(*chain) == [0, 1, 2, 3]


def test_who_claims_users_of_several_others_is_left_out_alone():
    others = [declared([0, 1]), declared([2, 3]), declared([4, 5])]
    assert left_out(*others, declared([1, 2, 5])) == [3]
    assert left_out(*others, declared([1, 2])) == [3]
    assert left_out(*others, declared([1])) == [0, 3]


def client_of(change, partition=1):
    """A ClientApp whose partition replies to its first query by ``change(reply, message)``."""

    def client(message, context):
        reply = app(message, context)
        if context.node_config["partition-id"] != partition:
            return reply
        return change(reply, message) or reply

    return client


def fails(reply, message):
    return Message(Error(code=0, reason="it went\naway"), reply_to=message)


def reports(reply, message):
    facts = ConfigRecord({protocol.ERROR: "no disk left", protocol.EXIT_CODE: 5})
    return Message(RecordDict({protocol.METADATA: facts}), reply_to=message)


def of_another_partition(reply, message):
    reply.content.config_records[protocol.METADATA][protocol.PARTITION] = 0


def of_no_partition(reply, message):
    reply.content.config_records[protocol.METADATA][protocol.PARTITION] = 2**62


def of_other_data(reply, message):
    reply.content.config_records[protocol.METADATA][protocol.DATA_HASH] = "0" * 64


def of_another_user(reply, message):
    arrays = reply.content.array_records[protocol.REGISTRATION]
    users = arrays["users"].numpy().copy()
    users[0] = next(user for user in range(60) if user not in users)
    arrays["users"] = Array(users)


def registered(config, client, share):
    grid = InlineGrid(client, config.partition.count, flatten(config))
    return register_clients(
        grid,
        config.partition.count,
        config.model.max_length,
        60.0,
        shares_counts=config.federation.shares_counts,
        min_participation=share,
    )


@pytest.mark.parametrize(
    ("change", "excluded", "reason"),
    [
        (fails, [1], "failed: it went away"),
        (reports, [1], "no disk left"),
        (of_another_partition, [0, 1], "two SuperNodes say that they are partition 0"),
        (of_no_partition, [1], f"it says that it is partition {2**62}, expected 0 to 3"),
        (of_other_data, [1], "not those of 3 other clients"),
        (of_another_user, None, "two partitions hold the same user"),
    ],
)
def test_a_client_that_lies_in_its_registration_is_left_out(
    small_home, small_config, change, excluded, reason
):
    config = small_config({"partition.count": 4})
    found = registered(config, client_of(change), 0.5)
    if excluded is None:
        assert len(found.excluded) == 2
        assert 1 in found.excluded
    else:
        assert sorted(found.excluded) == excluded
    assert reason in found.excluded[1]
    assert sorted([*found.partitions, *found.excluded]) == [0, 1, 2, 3]
    assert set(found.users) == set(found.node_of) == set(found.targets) == set(found.partitions)


@pytest.mark.parametrize(
    ("change", "share", "error"),
    [
        (fails, 1.0, MessageError),
        (reports, 1.0, None),
        (of_other_data, 1.0, DataError),
        (of_another_partition, 1.0, ConfigError),
        (of_another_partition, 0.75, ParticipationError),
    ],
)
def test_where_too_few_are_left_the_run_ends_with_the_reason(
    small_home, small_config, change, share, error
):
    from fedrec.errors import ResourceError

    with pytest.raises(error or ResourceError):
        registered(small_config({"partition.count": 4}), client_of(change), share)


def test_a_client_that_does_not_reply_to_the_first_query_is_left_out(small_home, small_config):
    config = small_config()

    class Losing(InlineGrid):
        def pull_messages(self, message_ids):
            return [one for one in super().pull_messages(message_ids) if not self.is_lost(one)]

        def is_lost(self, reply):
            return reply.metadata.src_node_id == self.get_node_ids()[2]

    grid = Losing(app, 3, flatten(config))
    found = register_clients(
        grid, 3, 12, 0.3, shares_counts=config.federation.shares_counts, min_participation=0.5
    )
    assert found.excluded == {2: "did not reply in time"}
    assert found.partitions == [0, 1]


def test_targets_of_users_cannot_wrap_around(small_home, small_config):
    """Four times 2^62 is 0 in 64 bits: every user would weigh more than all others together."""
    config = small_config({"federation.unit": "user", "federation.cohort": 5,
                           "local.optimizer-state": "reset", "local.windows": 0})  # fmt: skip

    def change(reply, message):
        record = reply.content.array_records[protocol.REGISTRATION]
        record["targets"] = Array(np.full(20, 2**62, dtype=np.int64))
        reply.content.metric_records[protocol.METRICS][protocol.NUM_EXAMPLES] = 0

    grid = InlineGrid(client_of(change), 3, flatten(config))
    with pytest.raises(MessageError, match="its users' training targets cannot be valid"):
        register_clients(
            grid, 3, config.most_targets, 60.0, shares_counts=config.federation.shares_counts
        )


def test_more_targets_than_events_are_refused_without_counts(run_inline, small_config):
    """Where nothing else bounds them: whole histories are read and counts are not shared."""

    def change(reply, message):
        if protocol.REGISTRATION in reply.content:
            reply.content.metric_records[protocol.METRICS][protocol.NUM_EXAMPLES] = 2**62

    config = small_config(
        {"local.windows": 0, "federation.share-counts": False, "federation.rounds": 1}
    )
    folder = run_inline(config, client=client_of(change))
    about = json.loads((folder / "run.json").read_text())
    [one] = about["excluded"]["registration"]
    assert f"declares {2**62} training targets, but the data hold" in one["reason"]
