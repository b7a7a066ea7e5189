"""Clients of few users keep counts, held-out items and original ids: a census can be a history."""

import contextlib
import json

import numpy as np
import pytest
from flwr.app import Array

from clients.app import app
from fedrec import protocol
from fedrec.errors import ConfigError
from fedrec.evaluation.gates import KINDS, POPULARITY
from fedrec.factory.checks import check_fit
from fedrec.factory.data import open_prepared
from fedrec.report.page import render_page
from fedrec.runs.record import read_run
from fedrec.runs.sent import withheld
from tests.server.lifecycle.few_users import DEFAULT, MIN_USERS, SMALL, TELLING, Heard, events_of

USERS = {"federation.unit": "user", "local.optimizer-state": "reset", "federation.cohort": 8}


def test_a_partition_of_one_user_sends_no_history(run_inline, own_events, small_config):
    heard = Heard()
    events = events_of([f"home {user}" for user in range(5)])
    config = small_config(own_events(events) | SMALL | {MIN_USERS: DEFAULT})
    run_inline(config, client=heard)
    prepared = open_prepared(config)
    sequences, num_items = prepared.dataset.sequences, prepared.dataset.catalog.num_items
    for partition in range(5):
        assert heard.told(partition) == set()
        [user] = np.flatnonzero(prepared.assignment == partition)
        history = sequences.of(user)
        counts = np.bincount(history[:-2], minlength=num_items + 1)
        secrets = counts.tobytes(), repr(prepared.dataset.user_ids[user]).encode()
        registration = heard.replies[partition][0]
        assert set(registration.array_records[protocol.REGISTRATION]) == {"users"}
        for data in heard.data(partition):
            assert not any(secret in data for secret in secrets)
        for content in heard.replies[partition][1:]:
            assert protocol.HELD_OUT_ITEMS not in content.array_records.get(protocol.RANKS, {})
            gates = content.array_records.get(protocol.RANKS, {}).get(protocol.GATES)
            if gates is not None:
                assert not gates.numpy()[KINDS.index(POPULARITY)].any()
                assert gates.numpy().any()


def test_nineteen_users_tell_nothing_and_twenty_do(run_inline, mixed):
    heard = Heard()
    folder = run_inline(mixed(), client=heard)
    assert [heard.told(partition) for partition in (0, 1, 2)] == [TELLING, set(), set()]
    about = json.loads((folder / "run.json").read_text())
    assert about["status"] == "done"
    assert about["sent"] == {
        "share_counts": True,
        "min_users": 20,
        "clients": 3,
        "item_counts": 1,
        "held_out_items": 1,
        "user_ids": 1,
        "users": 40,
        "users_counted": 20,
    }
    line = (
        "counts of 2 of 3 clients, who hold fewer than 20 users, were not sent "
        "(federation.share-counts-min-users = 20): popularity and its slices know 50 % of the users"
    )
    assert withheld(about["sent"]) == line
    assert line in (folder / "log.txt").read_text()
    page = render_page(read_run(folder), [])
    assert f"C{line[1:]}." in page
    assert "Training counts per item came from 1 of 3 clients" in page


@pytest.mark.parametrize(("fewest", "telling"), [(DEFAULT, 0), (2, 0), (1, 60)])
def test_where_every_user_is_a_client_nobody_tells_unless_the_key_is_1(
    run_inline, small_config, fewest, telling
):
    heard = Heard()
    folder = run_inline(
        small_config(USERS | {"federation.rounds": 1, MIN_USERS: fewest}), client=heard
    )
    assert heard.told(0) == (TELLING if telling else {"targets"})  # here of a registration
    arrays = [c.array_records.get(protocol.RANKS, {}) for c in heard.replies[0]]
    assert any(protocol.HELD_OUT_ITEMS in each for each in arrays) == bool(telling)
    sent = json.loads((folder / "run.json").read_text())["sent"]
    assert (sent["clients"], sent["item_counts"], sent["user_ids"]) == (60, telling, telling)


def tell_counts(content, message):
    if record := content.array_records.get(protocol.REGISTRATION):
        record["counts"] = Array(np.ones(31, dtype=np.int64))


def tell_ids(content, message):
    if record := content.array_records.get(protocol.REGISTRATION):
        metadata = content.config_records[protocol.METADATA]
        metadata["user-ids"] = [f"id{user}" for user in record["users"].numpy()]


def tell_items(content, message):
    if record := content.array_records.get(protocol.RANKS):
        record["targets"] = Array(np.ones(record["users"].shape, dtype=np.int64))


def tell_gates(content, message):
    record = content.array_records.get(protocol.RANKS, {})
    if "gates" in record:
        gates = record["gates"].numpy().copy()
        gates[KINDS.index(POPULARITY), 3] = [1.0, 0.5, 0.5, 0.0]
        record["gates"] = Array(gates)


@pytest.mark.parametrize(
    ("change", "occasion", "reason"),
    [
        (tell_counts, "registration", "it sends counts per item, which a client of 19 users must"),
        (tell_ids, "registration", "it sends original ids of users, which a client of 19 users"),
        (tell_items, "final test", "its arrays ['targets'] are on one side only"),
        (tell_gates, "final test", "its array 'gates' has sums by item popularity"),
    ],
)
def test_a_client_that_tells_what_it_must_not_is_excluded(
    run_inline, mixed, change, occasion, reason
):
    def client(message, context):
        reply = app(message, context)
        if context.node_config["partition-id"] == 1:
            change(reply.content, message)
        return reply

    folder = run_inline(mixed(), client=client)
    about = json.loads((folder / "run.json").read_text())
    assert about["status"] == "degraded"
    [one] = about["excluded"][occasion]
    assert one["partition"] == 1
    assert reason in one["reason"]


def test_a_client_that_withholds_what_it_has_to_tell_is_excluded(run_inline, mixed):
    def client(message, context):
        reply = app(message, context)
        if context.node_config["partition-id"] == 0:
            reply.content.array_records.get(protocol.REGISTRATION, {}).pop("counts", None)
        return reply

    folder = run_inline(mixed(), client=client)
    about = json.loads((folder / "run.json").read_text())
    [one] = about["excluded"]["registration"]
    assert "it does not send counts per item, which a client of 20 users has to" in one["reason"]
    assert about["sent"]["item_counts"] == 0


@pytest.mark.parametrize(
    "changes", [{"model.neighbours": 3}, {"evaluation.protocol": "full,popularity-100"}]
)
def test_what_needs_counts_is_refused_before_round_0(run_inline, mixed, changes):
    words = (
        f"{next(iter(changes))} must be .* with {MIN_USERS} = 21, where the largest client holds"
    )
    with pytest.raises(ConfigError, match=words) as raised:
        run_inline(mixed(changes | {MIN_USERS: 21}))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("fewest", "is_refused"), [(20, False), (21, True)])
def test_what_needs_counts_is_refused_before_an_engine_starts(mixed, fewest, is_refused):
    config = mixed({"model.neighbours": 3, MIN_USERS: fewest})
    words = f"model.neighbours must be 0 with {MIN_USERS} = 21, where the largest client holds 20 "
    with pytest.raises(ConfigError, match=words) if is_refused else contextlib.nullcontext():
        check_fit(config)


def test_neighbours_go_with_the_counts_of_some(run_inline, mixed):
    folder = run_inline(mixed({"model.neighbours": 3}))
    assert json.loads((folder / "run.json").read_text())["status"] == "done"
