"""`fedrec verify` where every user is a client: broken, absent and lost users come out the same."""

import json
from collections import Counter

import pytest
from flwr.app import Error, Message

import server.run
from clients.app import app
from experiments.reproducibility.verify import verify
from fedrec.errors import ParticipationError
from fedrec.factory.data import open_prepared
from fedrec.runs.record import read_json, read_rounds
from fedrec.training.negatives import shared_negatives
from server.sampling.excluded import DROPPED_OUT
from server.sampling.unavailable import recorded_unavailability
from tests.server.aggregation.spiking_strategy import NAME

USERS = {
    "federation.unit": "user",
    "federation.cohort": 20,
    "federation.rounds": 3,
    "federation.min-participation": 0.05,
    "local.optimizer-state": "reset",
    "local.optimizer": "sgd",
    "local.learning-rate": 0.5,
    "local.steps": 2,
    "model.dropout": 0.2,
    "loss.name": "sampled-softmax",
}


@pytest.fixture
def verified(monkeypatch):
    """``verified(folder)``: what verify finds, without figures."""
    monkeypatch.setattr(server.run, "write_report", lambda path: None)
    return lambda folder: verify(folder, engine="inline", trust=True, command="test")


class Losing:
    """A ClientApp that fails when it is asked for the nth time.

    Args:
        lost: (kind of message, round, partition) -> n.

    Attributes:
        asked: how often each of them was asked.
    """

    def __init__(self, lost=()):
        self.lost, self.asked = dict(lost), Counter()

    def __call__(self, message, context):
        sent = message.content.config_records["config"]
        asked = (message.metadata.message_type, sent.get("server-round"), sent.get("partition"))
        self.asked[asked] += 1
        if self.lost.get(asked) == self.asked[asked]:
            return Message(Error(code=0, reason="went away"), reply_to=message)
        return app(message, context)


def lines_of(folder):
    return read_rounds(folder / "rounds.jsonl")[0]


def own(left_out):
    """Partition -> its users among those left out."""
    found = {}
    for one in left_out:
        if "user" in one:
            found.setdefault(one["partition"], set()).add(one["user"])
    return found


@pytest.mark.parametrize(
    "how",
    [
        {"federation.sampling": "poisson", "federation.upload": "int8"},
        pytest.param(
            {"federation.row-averaging": "sparse", "federation.weighting": "uniform"},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {
                "strategy.name": "server-adam",
                "federation.clip-norm": 0.05,
                "federation.download": "float16",
            },
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_run_over_users_is_verified_its_traffic_included(run_inline, small_config, verified, how):
    folder = run_inline(small_config(USERS | {"federation.drop-out": 0.3} | how))
    assert read_json(folder / "run.json")["status"] == "done"
    assert all(own(line["excluded"]) for line in lines_of(folder)[1:])
    lines = lines_of(folder)
    lines[2]["client_megabytes"] += 1e-9  # the only difference
    (folder / "rounds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert verified(folder) == ["rounds.jsonl: client_megabytes of round 2 differs"]


@pytest.fixture
def breaking(small_home, small_config):
    """``breaking(changes)``: a config in whose round 2 some users break, and who they are.

    All 59 who have something to train on are in the cohort.
    """

    def make(changes=None, users=60, fewest=4):
        source = {"data.source": f"synthetic:users={users},items=60"}
        few = {"federation.cohort": 59, "loss.negatives": 4, "federation.evaluate-every": 3}
        own = source | {"model.identity-dropout": 0.0, "strategy.name": NAME}
        plan = USERS | few | own | (changes or {})
        prepared = open_prepared(small_config(source))
        dataset, training = prepared.dataset, prepared.full_training
        num_items = dataset.catalog.num_items
        drawn = {int(i) for step in range(2) for i in shared_negatives(0, 2, step, num_items, 4)}
        # Its row breaks whoever reads it; as the last target alone it might well be foretold.
        read = [set(training.of(user)[-13:-1].tolist()) for user in range(training.num_users)]
        last = {int(training.of(user)[-1]) for user in range(training.num_users)}
        readers = {
            item: {user for user, items in enumerate(read) if item in items}
            for item in set(range(1, num_items + 1)) - drawn - last
        }
        item = min(
            (one for one in readers if len(readers[one]) >= fewest), key=lambda i: len(readers[i])
        )
        return small_config(plan | {"strategy.options": f"item = {item}"}), readers[item]

    return make


@pytest.mark.parametrize(
    "changes", [{}, pytest.param({"federation.drop-out": 0.3}, marks=pytest.mark.slow)]
)
def test_a_run_with_broken_users_is_verified(run_copy, breaking, verified, changes):
    config, broken = breaking(changes)
    folder = run_copy(config)
    lines = lines_of(folder)
    nan = [one for one in lines[2]["excluded"] if one["reason"] != DROPPED_OUT]
    away = {one["user"] for one in lines[2]["excluded"] if one["reason"] == DROPPED_OUT}
    assert {one["user"] for one in nan} == broken - away
    assert nan
    assert all(one["reason"].startswith("its update or loss is NaN") for one in nan)
    assert lines[2]["aggregated"] == [0, 1, 2]
    assert not any(one["reason"] != DROPPED_OUT for one in lines[3]["excluded"])
    # They break by themselves again: nobody has to be left out for that.
    assert not any(recorded_unavailability(folder).values())
    assert verified(folder) == []


# 18 of 24 users are kept with 19 items, 16 of them have something to train on.
ALONE = {
    "partition.by": "each",
    "partition.count": 18,
    "federation.cohort": 16,
    "evaluation.at": "10",
}


@pytest.mark.slow
def test_a_run_with_partitions_all_of_whose_users_broke_is_verified(run_inline, breaking, verified):
    config, broken = breaking(ALONE, users=24, fewest=2)
    folder = run_inline(config)
    lines = lines_of(folder)
    assert (
        len(lines[2]["excluded"])
        == len(lines[2]["sampled"]) - len(lines[2]["aggregated"])
        == len(broken)
    )
    assert lines[3]["aggregated"] == lines[3]["sampled"] == lines[2]["sampled"]
    assert verified(folder) == []


def test_broken_users_do_not_hide_other_traffic(run_copy, breaking, verified):
    folder = run_copy(breaking()[0])
    lines = lines_of(folder)
    lines[3]["bytes_up"] += 1
    (folder / "rounds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert verified(folder) == ["rounds.jsonl: bytes_up of round 3 differs"]


def test_a_lost_user_is_told_from_another_of_its_partition(run_inline, breaking, verified):
    folder = run_inline(breaking({"partition.count": 1})[0])
    lines = lines_of(folder)
    first, *others = lines[2]["excluded"]
    assert len(others) >= 3  # of one partition, for one reason
    used = sorted(set(range(60)) - {one["user"] for one in lines[2]["excluded"]})
    first["user"] = used[0]
    (folder / "rounds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert verified(folder) == ["rounds.jsonl: excluded of round 2 differs"]


def test_a_partition_that_is_lost_keeps_its_users_drop_outs(run_inline, small_config, verified):
    lost = {("train", 2, 1): 1, ("train", 3, 0): 1, ("evaluate", 2, 2): 1}
    config = small_config(USERS | {"federation.drop-out": 0.3})
    folder = run_inline(config, client=Losing(lost))
    lines = lines_of(folder)
    assert (lines[2]["aggregated"], lines[3]["aggregated"]) == ([0, 2], [1, 2])
    assert own(lines[2]["excluded"])[1]  # of the partition that was lost
    assert recorded_unavailability(folder) == {
        "train 2": {1: "failed: went away"},
        "train 3": {0: "failed: went away"},
        "evaluate 2": {2: "failed: went away"},
    }
    assert verified(folder) == []


def test_a_partition_all_of_whose_users_are_away_is_not_asked(run_inline, small_config, verified):
    few = {"federation.drop-out": 0.6, "federation.cohort": 9}
    client = Losing()
    folder = run_inline(small_config(USERS | few), client=client)
    silent = 0
    for line in lines_of(folder)[1:]:
        assert not line["retried"]
        assert {one["reason"] for one in line["excluded"]} == {DROPPED_OUT}
        asked = [p for kind, round, p in client.asked if (kind, round) == ("train", line["round"])]
        assert sorted(asked) == line["aggregated"]
        away = own(line["excluded"])
        assert set(line["sampled"]) - set(line["aggregated"]) <= set(away)
        assert line["users"] == {"sampled": 9, "aggregated": 9 - len(line["excluded"])}
        silent += len(line["sampled"]) - len(line["aggregated"])
    assert silent
    assert verified(folder) == []


FEW = USERS | {"federation.drop-out": 0.7, "federation.cohort": 3, "federation.rounds": 4}


def test_a_cohort_that_is_all_away_is_asked_once_more(run_inline, small_config, verified):
    folder = run_inline(small_config(FEW | {"seed": 3}))
    lines = lines_of(folder)
    [twice] = [line for line in lines if line["retried"]]  # with this seed
    assert [one["reason"] for one in twice["retried"]] == [DROPPED_OUT] * 3
    assert len({one["user"] for one in twice["retried"]}) == 3
    assert twice["users"]["aggregated"] == 3 - len(twice["excluded"]) > 0
    assert read_json(folder / "run.json")["status"] == "done"
    assert verified(folder) == []


@pytest.mark.slow
def test_a_partition_lost_at_the_second_try_alone_is_lost_there_again(
    run_inline, small_config, tmp_path, verified
):
    half = {"federation.drop-out": 0.5, "federation.min-participation": 0.4}
    config = small_config(USERS | half | {"federation.cohort": 12, "seed": 30})
    client = Losing()
    whole = lines_of(run_inline(config, tmp_path / "whole", client=client))
    [twice] = [line for line in whole if line["retried"]]  # with this seed
    assert {one["reason"] for one in twice["retried"]} == {DROPPED_OUT}
    # A partition that was asked both times: only the second time it is lost.
    [lost, *_] = [p for p in twice["aggregated"] if client.asked["train", twice["round"], p] == 2]
    client = Losing({("train", twice["round"], lost): 2})
    folder = run_inline(config, tmp_path / "run", client=client)
    line = lines_of(folder)[twice["round"]]
    assert line["retried"] == twice["retried"]
    assert set(line["aggregated"]) == set(twice["aggregated"]) - {lost}
    assert verified(folder) == []


def test_a_cohort_that_is_all_away_twice_ends_the_run(run_inline, small_config, tmp_path):
    config = small_config(FEW | {"federation.drop-out": 0.99})
    said = r"round 1: 0 of 3 clients .* 1 are needed .* dropped out \(federation.drop-out\)"
    with pytest.raises(ParticipationError, match=said) as end:
        run_inline(config, tmp_path / "run")
    assert end.value.exit_code == 3
    left_out = read_json(tmp_path / "run" / "run.json")["excluded"]
    for tried in ("round 1, try 1", "round 1, try 2"):
        assert len({one["user"] for one in left_out[tried]}) == 3
    assert [line["round"] for line in lines_of(tmp_path / "run")] == [0]
