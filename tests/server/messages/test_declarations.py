"""Declarations that the data contradict: that client is excluded, the run goes on without it."""

import json

import numpy as np
import pytest
from flwr.app import Array

from clients.app import app
from fedrec import protocol
from fedrec.errors import MessageError, ParticipationError
from fedrec.evaluation.client_figures import far_out_clients
from fedrec.runs.record import load
from server.messages.declarations import impossible

DATA = {"users": 10, "events": 50}


def counts(*values):
    return np.array(values, dtype=np.int64)


@pytest.mark.parametrize(
    ("users", "declared", "reason"),
    [
        ([0, 9], None, None),
        ([0, 10], None, "declares user 10, but the data hold 10 users, numbered from 0"),
        ([0], counts(0, 20, 30), None),
        ([0], counts(0, 20, 31), "declares 51 training events, but the data hold 50 events"),
        ([0], counts(0, 2**62, 2**62), f"declares {2**63} training events"),
        ([0], counts(1, 2, 3), "declares 1 events of item 0, which is padding"),
        ([0], counts(0, 1), "declares counts of 1 items, but the data hold 2"),
        ([0], counts(0), "declares counts of 0 items, but the data hold 2"),
    ],
)
def test_what_the_manifest_contradicts(users, declared, reason):
    found = impossible({4: (np.array(users), declared)}, DATA, num_items=2)
    assert list(found) == ([4] if reason else [])
    assert not reason or found[4].startswith(reason)


def declaring(change, partition=1):
    """A ClientApp whose partition declares something else, and is honest in all others."""

    def client(message, context):
        reply = app(message, context)
        is_lying = context.node_config["partition-id"] == partition
        if is_lying and protocol.REGISTRATION in reply.content:
            change(reply.content)
        return reply

    return client


def invent_users(content):
    arrays, metadata = (
        content.array_records[protocol.REGISTRATION],
        content.config_records[protocol.METADATA],
    )
    users = np.concatenate([arrays["users"].numpy(), np.arange(5000) + 60])
    arrays["users"] = Array(users)
    metadata[protocol.USER_IDS] = [str(user) for user in users]


def count_too_much(content):
    arrays = content.array_records[protocol.REGISTRATION]
    arrays["counts"] = Array(arrays["counts"].numpy() + 2**40)


def send_more(content):
    content.config_records[protocol.METADATA]["more"] = "x" * 10**6


def shorten_counts(content):
    arrays = content.array_records[protocol.REGISTRATION]
    arrays["counts"] = Array(np.concatenate([arrays["counts"].numpy()[:50], [1000]]))


def lose_users(content):
    del content.array_records[protocol.REGISTRATION]["users"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (invent_users, "declares user 5059, but the data hold 60 users"),
        (count_too_much, "events of item 0, which is padding"),
        (send_more, "its record 'metadata' holds"),
        (lose_users, "KeyError: 'users'"),
        (shorten_counts, "declares counts of 50 items, but the data hold 57"),
    ],
)
def test_a_run_goes_on_without_a_client_whose_declaration_cannot_be(
    run_inline, small_config, change, reason
):
    config = small_config({"federation.rounds": 1})
    folder = run_inline(config, client=declaring(change))
    about = json.loads((folder / "run.json").read_text())
    assert about["status"] == "degraded"
    [one] = about["excluded"]["registration"]
    assert (one["partition"], one["while"]) == (1, "register")
    assert reason in one["reason"]
    assert f"excluded partition 1: {one['reason']}" in (folder / "log.txt").read_text()
    run = load(folder)
    assert run.history[1]["sampled"] == run.history[1]["aggregated"] == [0, 2]
    assert set(run.users["partition"]) == {0, 2}
    assert [each["partition"] for each in about["partitions"]] == [0, 2]


def both(message, context):
    """A ClientApp two of whose three partitions declare what cannot be."""
    is_second = context.node_config["partition-id"] == 2
    return declaring(lose_users, 2 if is_second else 1)(message, context)


@pytest.mark.parametrize(
    ("share", "client", "error", "words"),
    [
        (0.7, declaring(invent_users), MessageError, "cannot be used: declares user 5059"),
        (
            0.5,
            both,
            ParticipationError,
            "1 of 3 clients registered, 2 are needed; first reason: th",
        ),
    ],
)
def test_as_many_clients_as_the_config_asks_for_must_register(
    run_inline, small_config, share, client, error, words
):
    config = small_config({"federation.rounds": 1, "federation.min-participation": share})
    with pytest.raises(error, match=words):
        run_inline(config, client=client)


def test_a_run_without_a_client_is_verified(run_inline, small_config, monkeypatch):
    import server.run
    from experiments.reproducibility.verify import verify

    monkeypatch.setattr(server.run, "write_report", lambda path: None)
    config = small_config({"federation.rounds": 1})
    folder = run_inline(config, client=declaring(invent_users))
    assert verify(folder, engine="inline", command="test") == []


def test_a_client_that_ranks_all_its_targets_first_is_named(run_inline, small_config):
    def client(message, context):
        reply = app(message, context)
        if context.node_config["partition-id"] == 1 and protocol.RANKS in reply.content:
            arrays = reply.content.array_records[protocol.RANKS]
            arrays["rank/full"] = Array(np.ones_like(arrays["rank/full"].numpy()))
        return reply

    config = small_config({"federation.rounds": 1, "partition.count": 6})
    run = load(run_inline(config, client=client))
    figures = run.metrics["client_figures"]
    assert [one["partition"] for one in figures["HR@10"]["far_out"]] == [1]
    assert figures["HR@10"]["high"] == 1.0
    assert figures["HR@10"]["median"] < run.metrics["test"]["HR@10"]["value"]
    assert "Partition 1 (10 users) stands far out" in far_out_clients(figures)[0]
    from fedrec.report.page import render_page

    page = render_page(run, [("Clients", [])])
    assert page.count("Partition 1 (10 users) stands far out: HR@10 1.0000") == 2
    assert "Evaluation trusts the clients" in page
