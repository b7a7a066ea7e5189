"""What an honest SuperNode cannot say of its users costs the reply; what it can say never does."""

import numpy as np
import pytest
from flwr.app import Array

from fedrec import protocol
from fedrec.training.updates.bounds import norm_of
from server.rounds import train_round
from tests.server.rounds.users_one_by_one import USERS

SPARSE = {"federation.row-averaging": "sparse", "loss.negatives": 20}
SEVERAL = {"local.steps": 2}  # the norm of each user is known


def of_users(**changes):
    """A change of the reply's arrays of users by name, each a function of the array there."""

    def change(reply, message):
        record = reply.content.array_records[protocol.USERS]
        for name, make in changes.items():
            key = name.replace("_", "-")
            record[key] = Array(np.ascontiguousarray(make(record[key].numpy().copy())))

    return change


def with_first(value):
    def make(array):
        array[0] = value
        return array

    return make


def weighing(value):
    def change(reply, message):
        reply.content.metric_records[protocol.METRICS][protocol.NUM_EXAMPLES] = value

    return change


def of_sum(make):
    """A change of each array of the sum: ``make(name, array)``."""

    def change(reply, message):
        record = reply.content.array_records[protocol.ARRAYS]
        for name, array in list(record.items()):
            record[name] = Array(np.ascontiguousarray(make(name, array.numpy().copy())))

    return change


def without_losses(reply, message):
    del reply.content.array_records[protocol.USERS]["losses"]


def moving_an_unread_row(reply, message):
    unread = np.flatnonzero(
        reply.content.array_records[protocol.USERS][protocol.ROW_WEIGHTS].numpy() == 0
    )
    assert len(unread) > 1

    def make(name, array):
        if name.endswith("identity.rows"):
            array[unread[1], 0] = 1e-9
        return array

    of_sum(make)(reply, message)


def moved(read):
    """The weight of one row claimed for another."""
    order = np.argsort(read)
    read[[order[-1], order[1]]] = read[[order[1], order[-1]]]
    return read


def missing_all_but_one(reply, message):
    """All but the first user are said to have broken, and are still in the sum."""
    record = reply.content.array_records[protocol.USERS]
    users, rows = record["users"].numpy(), record["rows"].numpy()
    for name in ("users", "losses", "norms", "rows", "trained"):
        record[name] = Array(record[name].numpy()[:1].copy())
    record[protocol.EXCLUDED], record[protocol.EXCLUDED_ROWS] = (
        Array(users[1:].copy()),
        Array(rows[1:].copy()),
    )
    record["too-large"] = Array(np.zeros(len(users) - 1, dtype=bool))
    weighing(1)(reply, message)


ODD = {
    "replies for others": (of_users(users=lambda u: u + 1), {}, "replies for other users than"),
    "weighs more": (weighing(10**6), {}, "the weight of its users is 1000000"),
    "weighs a text": (weighing([1, 2]), {}, "the weight of its users is [1, 2]"),
    "in float32": (of_sum(lambda _, a: a.astype(np.float32)), {}, "float32, not float64"),
    "without losses": (without_losses, {}, "['losses'] are on one side only"),
    "a loss too few": (of_users(losses=lambda a: a[1:]), {}, "'losses' are not equally many"),
    "a reason too many": (
        of_users(too_large=lambda a: np.ones(1, dtype=bool)),
        {},
        "'excluded' and 'too-large' are not equally many",
    ),
    "reasons of int": (
        of_users(too_large=lambda a: a.astype(np.int64)),
        {},
        "its users' 'too-large' is no array of bool in a row",
    ),
    "a negative loss": (of_users(losses=with_first(-0.1)), {}, "its training loss is -0.1"),
    "a loss of NaN": (of_users(losses=with_first(np.nan)), {}, "its training loss is nan"),
    "a huge loss": (of_users(losses=with_first(1.1e6)), {}, "its training loss is 1100000.0"),
    "a huge norm": (of_users(norms=with_first(1e6)), SEVERAL, "norms up to 1e+06, expected"),
    "an infinite norm": (of_users(norms=with_first(np.inf)), SEVERAL, "norms up to inf, expected"),
    "a negative norm": (of_users(norms=with_first(-1.0)), SEVERAL, "updates have norms"),
    "an unknown norm": (of_users(norms=with_first(np.nan)), SEVERAL, "norms up to nan, expected"),
    "a huge norm of a joint gradient": (
        of_users(norms=with_first(1e6)),
        {},
        "(federation.outlier-limit = 100)",
    ),
    "no rows": (of_users(rows=with_first(0)), {}, "its users read fewer than 1 or more than"),
    "many rows": (of_users(rows=with_first(10**6)), {}, "its users read fewer than 1 or more than"),
    "more targets": (of_users(trained=lambda t: t + 1), {}, "targets in 1 steps, declared were"),
    "fewer targets": (of_users(trained=lambda t: t - 1), SEVERAL, "targets in 2 steps, declared"),
    "a sum ten times as long": (
        of_sum(lambda _, a: 10 * a),
        SEVERAL,
        "its sum of updates has norm",
    ),
    "a sum longer than joint gradients can be": (
        of_sum(lambda _, a: 1e6 * a),
        {},
        "its sum of updates has norm",
    ),
    "a sum of users beyond the clipped": (
        of_sum(lambda _, a: 100 * a),
        SEVERAL | {"federation.clip-norm": 1e-3},
        "its sum of updates has norm",
    ),
    "users in the sum who are not": (
        missing_all_but_one,
        SEVERAL | {"federation.weighting": "uniform"},
        "its sum of updates has norm",
    ),
    "read by others": (
        of_users(row_weights=lambda t: 2 * t),
        SPARSE,
        "its users' 'row-weights' are not",
    ),
    "read by more": (
        of_users(row_weights=lambda t: np.where(np.arange(len(t)), t.max(), 0)),
        SPARSE,
        "its users' 'row-weights' add up to",
    ),
    "read by fewer": (
        of_users(row_weights=lambda t: 0 * t),
        SPARSE,
        "'row-weights' add up to 0, they",
    ),
    "read padding": (of_users(row_weights=with_first(1.0)), SPARSE, "'row-weights' are not"),
    "row weights of NaN": (
        of_users(row_weights=lambda t: t * np.nan),
        SPARSE,
        "'row-weights' are not",
    ),
    "read more than declared": (of_users(rows=lambda r: r + 1), SPARSE, "'row-weights' add up to"),
    "read elsewhere": (
        of_users(row_weights=moved),
        SPARSE | SEVERAL,
        "but users of weight 0 read it",
    ),
    "an unread row": (moving_an_unread_row, SPARSE, "but users of weight 0 read it"),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_sum_is_excluded_and_the_others_are_used(small_federation, tampered, name):
    change, how, reason = ODD[name]
    federation, state = small_federation(USERS | how, client=tampered(change, partitions=(1,)))
    line = train_round(federation, state, 1)
    assert line["aggregated"] == [0, 2]
    [dropped] = line["excluded"]
    assert dropped["partition"] == 1
    assert "user" not in dropped
    assert reason in dropped["reason"]
    sampled = federation.clients.population.sample(20, sampling="fixed", seed=0, round=1)
    held = federation.clients.population.by_partition(sampled)
    assert line["users"]["aggregated"] == len(held[0]) + len(held[2])


def test_a_sum_of_nobody_must_be_zero(small_federation, tampered):
    def nobody(reply, message):
        record = reply.content.array_records[protocol.USERS]
        users, rows = record["users"].numpy().copy(), record["rows"].numpy().copy()
        for name in ("users", "losses", "norms", "rows", "trained"):
            record[name] = Array(record[name].numpy()[:0].copy())
        record[protocol.EXCLUDED], record[protocol.EXCLUDED_ROWS] = Array(users), Array(rows)
        record["too-large"] = Array(np.zeros(len(users), dtype=bool))
        weighing(0)(reply, message)

    def empty(reply, message):
        nobody(reply, message)
        of_sum(lambda _, a: 0 * a)(reply, message)

    few = USERS | {"federation.min-participation": 0.1}
    federation, state = small_federation(few, client=tampered({0: nobody, 1: empty}))
    line = train_round(federation, state, 1)
    assert line["aggregated"] == [2]
    [refused] = [one for one in line["excluded"] if "user" not in one]
    assert refused["partition"] == 0
    assert "its sum of updates has norm" in refused["reason"]
    assert "add up to 0" in refused["reason"]


HONEST = {
    "one step": {},
    "softmax": {"loss.name": "softmax"},
    "several steps": SEVERAL,
    "far": SEVERAL | {"local.learning-rate": 5.0},
    "adam": SEVERAL | {"local.optimizer": "adam", "local.learning-rate": 0.01},
    "clipped": SEVERAL | {"federation.clip-norm": 1e-3},
    "int8": {"federation.upload": "int8"},
    "int8 of clipped": {"federation.upload": "int8", "federation.clip-norm": 1e-3},
    "float16": {"federation.upload": "float16", "federation.download": "float16"},
    "tiny": SEVERAL | {"local.learning-rate": 1e-30},
    "windows": {
        "local.windows": 0,
        "local.steps": 3,
        "local.batch-size": 2,
        "model.max-length": 4,
    },
    "epochs": {"local.steps": 0, "local.epochs": 2},
    "uniform": {"federation.weighting": "uniform"},
    "whole copies": {"local.optimizer": "adamw", "local.weight-decay": 0.1} | SEVERAL,
}


@pytest.mark.parametrize("rows", ["all", "sparse"])
@pytest.mark.parametrize("name", HONEST)
def test_an_honest_sum_is_never_excluded(small_federation, name, rows):
    changes = USERS | {"loss.negatives": 10, "federation.row-averaging": rows} | HONEST[name]
    federation, state = small_federation(changes)
    for number in (1, 2):
        line = train_round(federation, state, number)
        assert line["excluded"] == []
        assert line["aggregated"] == [0, 1, 2]
        assert np.isfinite(norm_of(state.weights.values()))


def test_passes_count_the_targets_of_all_steps(small_federation):
    lines = {}
    for steps in (1, 4):
        federation, state = small_federation(USERS | {"local.steps": steps})
        lines[steps] = train_round(federation, state, 1)
        sampled = federation.clients.population.sample(20, sampling="fixed", seed=0, round=1)
        targets = int(federation.clients.population.targets_of(sampled).sum())
        assert lines[steps]["targets"] == steps * targets
    assert lines[4]["passes"] == pytest.approx(4 * lines[1]["passes"])
