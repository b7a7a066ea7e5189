"""Traffic of real rounds and evaluations, against what their users read."""

import numpy as np
import pytest
from flwr.app import Error, Message, MessageType

from fedrec import protocol
from fedrec.factory.data import open_prepared
from fedrec.training.negatives import shared_negatives
from server.evaluation.evaluate import evaluate_round
from server.round_line import empty_round
from server.rounds import train_round

USERS = {
    "federation.unit": "user",
    "federation.cohort": 20,
    "local.optimizer-state": "reset",
    "local.optimizer": "sgd",
    "local.steps": 1,
    "loss.negatives": 5,
}


def asked_in(federation, number=1):
    sampled = federation.clients.population.sample(20, sampling="fixed", seed=0, round=number)
    return sampled, federation.clients.population.by_partition(sampled)


def most_of(federation, users):
    """Of users whose reply does not say: their own items, 5 negatives, never more than V."""
    num_items = federation.clients.traffic.num_items
    return np.minimum(federation.clients.population.targets_of(users) + 1 + 5, num_items)


def read_rows(federation, users):
    """(n,) rows that users read in round 1: their newest 13 items and the shared negatives."""
    training = open_prepared(federation.config).full_training
    drawn = shared_negatives(0, 1, 0, 57, 5)
    own = [np.concatenate([training.of(int(user))[-13:], drawn]) for user in users]
    return np.array([len(np.unique(items)) for items in own])


def test_a_round_counts_what_its_users_read(small_federation):
    federation, state = small_federation(USERS)
    sampled, _ = asked_in(federation)
    line = train_round(federation, state, 1)
    traffic, rows = federation.clients.traffic, read_rows(federation, sampled)
    assert traffic.num_items == 57
    # 8 bytes name any of 57 items, and every user reads more than two.
    assert line["bytes_up"] == 20 * (traffic.dense_up + 8) + traffic.row_up * rows.sum()
    assert line["bytes_down"] == line["bytes_up"] + 20 * traffic.table
    total = line["bytes_up"] + line["bytes_down"]
    assert line["client_megabytes"] == pytest.approx(
        total / 1e6 / len(federation.clients.population.users)
    )


def test_under_the_whole_softmax_all_rows_travel_and_none_is_named(small_federation):
    federation, state = small_federation(USERS | {"loss.name": "softmax"})
    line = train_round(federation, state, 1)
    traffic = federation.clients.traffic
    assert line["bytes_up"] == 20 * (traffic.dense_up + 57 * traffic.row_up)


def test_a_round_that_is_tried_again_counts_both_tries(small_federation, tampered):
    tries = {0: 0, 1: 0, 2: 0}

    def refused_once(partition):
        def change(reply, message):
            tries[partition] += 1
            if tries[partition] == 1:
                del reply.content.array_records[protocol.USERS]["losses"]

        return change

    client = tampered({partition: refused_once(partition) for partition in tries})
    federation, state = small_federation(USERS, client=client)
    line = train_round(federation, state, 1)
    assert len(line["retried"]) == 3
    assert list(tries.values()) == [2, 2, 2]
    other, fresh = small_federation(USERS)
    once = train_round(other, fresh, 1)
    sampled, _ = asked_in(federation)
    traffic, rows = federation.clients.traffic, most_of(federation, sampled)
    first = traffic.up(rows)
    assert line["bytes_up"] == once["bytes_up"] + first
    # The table went with the first attempt, so that the second is without it.
    assert line["bytes_down"] == once["bytes_down"] + traffic.down(rows, 0)
    assert state.participants == fresh.participants


def test_a_partition_that_fails_has_cost_its_users_the_download(small_federation, tampered):
    def crash(reply, message):
        return Message(Error(code=0, reason="killed"), reply_to=message)

    few = {"federation.min-participation": 0.1}
    federation, state = small_federation(USERS | few, client=tampered(crash, partitions=(1,)))
    line = train_round(federation, state, 1)
    other, fresh = small_federation(USERS | few)
    whole = train_round(other, fresh, 1)
    assert line["aggregated"] == [0, 2]
    _, held = asked_in(federation)
    lost = held[1]
    rows = read_rows(other, lost)
    traffic, most = federation.clients.traffic, most_of(federation, lost)
    assert line["bytes_up"] == whole["bytes_up"] - traffic.up(rows)
    assert line["bytes_down"] == whole["bytes_down"] - traffic.down(rows, 0) + traffic.down(most, 0)


def test_who_drops_out_moves_nothing(small_federation):
    away = {"federation.drop-out": 0.4, "federation.min-participation": 0.1}
    federation, state = small_federation(USERS | away)
    line = train_round(federation, state, 1)
    sampled, _ = asked_in(federation)
    gone = {one["user"] for one in line["excluded"]}
    assert 0 < len(gone) < 20
    assert not line["retried"]
    sent_to = np.array([user for user in sampled if user not in gone])
    rows = read_rows(federation, sent_to)
    assert line["bytes_up"] == federation.clients.traffic.up(rows)
    assert line["bytes_down"] == federation.clients.traffic.down(rows, len(sent_to))
    ones = sum(bin(byte).count("1") for byte in bytes.fromhex(state.participants))
    assert ones == len(sent_to)


def test_every_user_that_is_evaluated_gets_the_whole_model_however_it_is_held(small_federation):
    found = []
    for count in (1, 3):
        federation, state = small_federation(USERS | {"partition.count": count})
        lines = [evaluate_round(federation, state, empty_round(number)) for number in (0, 1)]
        found.append([line["bytes_evaluate"] for line in lines])
        traffic = federation.clients.traffic
        # Back come a rank, its user, target, candidates and events.
        assert found[-1][1] == 60 * (traffic.evaluation + 5 * 8)
        assert found[-1][0] == found[-1][1] + 60 * traffic.table
    assert found[0] == found[1]


def test_users_who_send_no_ranks_have_got_the_model(small_federation, tampered):
    def crash(reply, message):
        return Message(Error(code=0, reason="killed"), reply_to=message)

    client = tampered(crash, MessageType.EVALUATE, partitions=(1,))
    federation, state = small_federation(USERS, client=client)
    line = evaluate_round(federation, state, empty_round(1))
    silent = len(federation.registration.users[1])
    back = (60 - silent) * 5 * 8
    assert line["bytes_evaluate"] == 60 * federation.clients.traffic.evaluation + back


def test_evaluation_adds_nothing_to_what_training_moved(small_federation):
    federation, state = small_federation(USERS)
    line = train_round(federation, state, 1)
    before = dict(line)
    evaluated = evaluate_round(federation, state, line)
    assert evaluated["bytes_evaluate"] > 0
    for name in ("bytes_down", "bytes_up", "megabytes", "client_megabytes"):
        assert evaluated[name] == before[name]
