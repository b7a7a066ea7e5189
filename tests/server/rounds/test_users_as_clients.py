"""Every user a client: the server's mean is FedAvg over users, however partitions hold them."""

import numpy as np
import pytest

from fedrec import protocol
from fedrec.errors import ConfigError, ParticipationError
from fedrec.training.negatives import shared_negatives
from server.aggregation.strategies import STRATEGIES, check_unit, make_strategy
from server.rounds import train_round
from tests.server.rounds.users_one_by_one import USERS, apart, one_by_one

THREE_STEPS = {"local.steps": 3}


def after(small_federation, changes, rounds=2):
    federation, state = small_federation(USERS | changes)
    lines = [train_round(federation, state, number) for number in range(1, rounds + 1)]
    return state.weights, lines, federation


@pytest.mark.parametrize(
    "how",
    [
        {},
        THREE_STEPS,
        {"federation.clip-norm": 0.05} | THREE_STEPS,
        {"federation.upload": "int8"},
        {"federation.upload": "float16", "federation.sampling": "poisson"},
        {"federation.download": "int8", "federation.sampling": "shuffled"},
    ],
)
def test_partitions_of_any_size_give_the_numbers_of_one_supernode_per_user(
    small_federation, precision, how
):
    how = how | {"federation.cohort": 8}
    one, lines, _ = after(small_federation, how | {"partition.count": 60, "partition.by": "each"})
    sampled = lines[0]["users"]["sampled"]
    assert lines[0]["users"] == {"sampled": sampled, "aggregated": sampled}
    assert len(lines[0]["aggregated"]) == sampled
    assert (sampled == 8) == (how.get("federation.sampling") != "poisson")
    # A number that differs in its last bit may be rounded the other way.
    is_rounded = "federation.upload" in how and precision.name == "float32"
    for count in (1, 3):
        other, found, _ = after(small_federation, how | {"partition.count": count})
        assert apart(one, other) < (1e-4 if is_rounded else precision.atol)
        assert found[1]["train_loss"] == pytest.approx(lines[1]["train_loss"], rel=1e-5)
        assert found[1]["targets"] == lines[1]["targets"]


@pytest.mark.parametrize("weighting", ["num-examples", "uniform"])
@pytest.mark.parametrize("mu", [0.0, 0.5])
def test_the_round_is_the_mean_over_users_of_a_plain_loop(
    small_federation, opened, precision, weighting, mu
):
    changes = THREE_STEPS | {"federation.weighting": weighting}
    if mu:
        changes |= {"strategy.name": "fedprox", "strategy.options": f"proximal-mu = {mu}"}
    federation, state = small_federation(USERS | changes)
    start = dict(state.weights)
    train_round(federation, state, 1)
    total, weights = {name: np.zeros_like(array) for name, array in start.items()}, 0.0
    for one in one_by_one(federation, opened, precision, mu):
        weight = one.targets if weighting == "num-examples" else 1
        weights += weight
        for name, array in one.update.items():
            total[name] += weight * array
    expected = {name: start[name] + total[name] / weights for name in start}
    assert apart(state.weights, expected) < precision.atol
    assert apart(state.weights, start) > 1e-3


def test_a_row_can_be_the_mean_over_those_who_read_it(small_federation, opened, precision):
    changes = THREE_STEPS | {"federation.row-averaging": "sparse", "loss.negatives": 20}
    federation, state = small_federation(USERS | changes)
    start = dict(state.weights)
    train_round(federation, state, 1)
    [rows] = federation.clients.traffic.item_rows
    total, read = np.zeros_like(start[rows]), np.zeros(len(start[rows]))
    weights, gate = 0, np.zeros_like(start["gate.bias"])
    for one in one_by_one(federation, opened, precision):
        total += one.targets * one.update[rows]
        read[one.read] += one.targets
        gate += one.targets * one.update["gate.bias"]
        weights += one.targets
    assert read[1:].min() < weights  # some row was not read by all
    expected = start[rows] + total / np.maximum(read, 1)[:, None]
    assert np.abs(state.weights[rows] - expected).max() < 10 * precision.atol
    assert np.abs(state.weights["gate.bias"] - start["gate.bias"] - gate / weights).max() < 1e-6


@pytest.mark.parametrize("steps", [1, 2])
def test_a_user_whose_training_breaks_costs_nobody_else_the_round(small_federation, opened, steps):
    few = {"loss.negatives": 4, "local.steps": steps, "model.identity-dropout": 0.0}
    federation, state = small_federation(USERS | few)
    num_items, training, _ = opened(federation.config)
    sampled = federation.clients.population.sample(20, sampling="fixed", seed=0, round=1)
    drawn = [shared_negatives(0, 1, step, num_items, 4) for step in range(steps)]
    read_by = {
        item: {int(user) for user in sampled if item in training.of(int(user))}
        for item in set(range(1, num_items + 1)) - set(np.concatenate(drawn).tolist())
    }
    # Whoever reads this item breaks, and nobody else.
    item = min((item for item in read_by if read_by[item]), key=lambda item: len(read_by[item]))
    rows = next(name for name in state.weights if name.endswith("identity.rows"))
    state.weights[rows][item] = 1e38
    others = state.weights[rows].copy()
    line = train_round(federation, state, 1)
    assert {one["user"] for one in line["excluded"]} == read_by[item]
    assert all(one["reason"].startswith("its update or loss is NaN") for one in line["excluded"])
    assert line["users"] == {"sampled": 20, "aggregated": 20 - len(read_by[item])}
    assert line["aggregated"] == line["sampled"] == [0, 1, 2]
    assert all(np.isfinite(array).all() for array in state.weights.values())
    assert np.abs(state.weights[rows] - others)[1:].max() > 1e-3


def test_users_drop_out_by_the_seed_and_are_on_record(small_federation):
    _, lines, _ = after(small_federation, {"federation.drop-out": 0.3})
    _, again, _ = after(small_federation, {"federation.drop-out": 0.3, "partition.count": 1})
    for one, other in zip(lines, again, strict=True):
        gone = {drop["user"] for drop in one["excluded"]}
        assert gone == {drop["user"] for drop in other["excluded"]}
        assert 0 < len(gone) < 20
        assert one["users"] == {"sampled": 20, "aggregated": 20 - len(gone)}
    with pytest.raises(ParticipationError, match="20 clients sent a usable reply, 19 are needed"):
        after(
            small_federation,
            {"federation.drop-out": 0.3, "federation.min-participation": 0.95},
        )


@pytest.mark.parametrize("name", STRATEGIES)
def test_rules_that_compare_clients_refuse_to_see_sums(name):
    options = {"fedprox": "proximal-mu = 0.1", "qfedavg": "client-learning-rate = 0.1"}
    strategy = make_strategy(name, options.get(name, ""))
    check_unit(name, strategy, "partition")
    if name in ("qfedavg", "fedmedian", "fedtrimmedavg", "krum", "multikrum", "bulyan"):
        with pytest.raises(ConfigError, match=f"strategy.name = '{name}' compares clients"):
            check_unit(name, strategy, "user")
    else:
        check_unit(name, strategy, "user")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("local.optimizer-state", "keep"),
        ("model.private", "gate-bias"),
        ("local.clip-norm", 1.0),
        ("federation.fraction", 0.5),
    ],
)
def test_keys_that_do_not_go_with_users_are_refused_by_name(small_config, key, value):
    with pytest.raises(ConfigError, match=f"^{key} must be .* with federation.unit = 'user'"):
        small_config(USERS | {key: value})


def test_weights_that_travel_in_half_the_bytes_are_rounded_once(small_federation, tampered):
    seen = {}

    def note(reply, message):
        record = message.content.array_records[protocol.ARRAYS]
        seen.update({name: array.numpy() for name, array in record.items()})

    changes = {"federation.download": "float16"}
    federation, state = small_federation(USERS | changes, client=tampered(note))
    start = dict(state.weights)
    train_round(federation, state, 1)
    for name, array in start.items():
        np.testing.assert_array_equal(seen[name], array.astype(np.float16).astype(np.float32))
        # The server itself goes on from what it had: rounding is not added up over rounds.
        unread = state.weights[name] == array
        assert name not in federation.clients.traffic.item_rows or unread.all(axis=1).any()
    assert seen["gate.bias"].dtype == np.float32


def test_whole_histories_are_read_in_windows(small_federation, opened):
    changes = {"local.windows": 0, "model.max-length": 5, "federation.cohort": 59}
    federation, state = small_federation(USERS | changes)
    _, training, _ = opened(federation.config)
    lengths = training.lengths()
    assert lengths.max() > 2 * 5
    line = train_round(federation, state, 1)
    assert line["targets"] == sum(length - 1 for length in lengths if length > 1)
