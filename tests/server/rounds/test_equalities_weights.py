"""A user twice is a user of weight 2, and a client twice a client of twice the examples.

What is promised here, and what is not: a weighted mean (FedAvg, and every strategy that starts from
its mean) cannot tell a reply that is there twice from one with twice its ``num-examples``. Medians,
trimmed means and Krum count replies, not examples, and must tell them apart. A user twice among
the same client's users weighs 2 in each of its full-batch gradients, wherever the copy lives; with
several batches a pass, or negatives drawn for each user, the copy is another draw.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch.nn import functional

from clients.app import app
from fedrec import protocol
from fedrec.training.batches import collate
from server.aggregation.strategies import make_strategy
from server.rounds import train_round

RATE = 0.5
FULL_BATCH = {
    "model.dropout": 0.0,
    "model.identity-dropout": 0.0,
    "loss.name": "softmax",
    "loss.own-history": "keep",
    "local.optimizer": "sgd",
    "local.learning-rate": RATE,
    "local.batch-size": 60,
    "federation.share-counts": False,  # how often an item was seen would tell a copy from a weight
}
RNG = np.random.default_rng(8)
USERS = {f"u{u}": (f"h{u % 2}", RNG.permutation(20)[: 5 + u]) for u in range(7)}


def after_a_round(federation, state):
    start = {name: array.copy() for name, array in state.weights.items()}
    line = train_round(federation, state, 1)
    assert line["aggregated"] == line["sampled"]
    return start, state.weights


@pytest.mark.parametrize("home", ["h0", "h1", "a home of its own"])
def test_a_user_twice_has_weight_2_wherever_the_copy_lives(
    small_federation, own_events, opened, small_config, precision, home
):
    twice = own_events(USERS | {"copy": (home, USERS["u4"][1])})
    start, end = after_a_round(*small_federation(FULL_BATCH | twice))

    # One place, every user once, and each target's loss times the weight of its user.
    num_items, training, model = opened(small_config(FULL_BATCH | own_events(USERS)))
    precision.model(model)
    batch = collate(training, np.arange(len(USERS)), 12)
    weight = torch.tensor([2.0 if user == 4 else 1.0 for user in batch.users])
    table = model.look_up(torch.arange(num_items + 1))
    states, _ = model.encode(table, torch.from_numpy(batch.items), torch.from_numpy(batch.lengths))
    targets = torch.from_numpy(batch.targets)
    real = targets > 0
    scores = states[real] @ model.output_vectors(table)[1:].T
    losses = functional.cross_entropy(scores, targets[real] - 1, reduction="none")
    each = weight[:, None].expand(targets.shape)[real]
    ((each * losses).sum() / each.sum()).backward()
    for name, parameter in model.named_parameters():
        expected = start[name] - RATE * parameter.grad.numpy()
        np.testing.assert_allclose(end[name], expected, rtol=0, atol=precision.atol, err_msg=name)


def counting_double(partition):
    """A client that declares twice as many training targets as it has, from registration on."""

    def client(message, context):
        reply = app(message, context)
        if context.node_config["partition-id"] == partition:
            metrics = reply.content.metric_records[protocol.METRICS]
            metrics[protocol.NUM_EXAMPLES] = 2 * metrics[protocol.NUM_EXAMPLES]
        return reply

    return client


def test_a_client_twice_is_a_client_of_twice_the_examples(small_federation, own_events, precision):
    several_steps = FULL_BATCH | {"local.epochs": 3}
    copies = {f"{u}-again": ("h2", items) for u, (home, items) in USERS.items() if home == "h1"}
    twice = own_events(USERS | copies)
    once = own_events(USERS)
    _, listed = after_a_round(*small_federation(several_steps | twice))
    federation, state = small_federation(several_steps | once, client=counting_double(1))
    assert federation.registration.targets[1] == 2 * sum(
        len(items) - 3 for home, items in USERS.values() if home == "h1"
    )
    _, weighted = after_a_round(federation, state)
    _, plain = after_a_round(*small_federation(several_steps | once))
    for name, array in listed.items():
        np.testing.assert_allclose(array, weighted[name], rtol=0, atol=precision.atol, err_msg=name)
    assert max(np.abs(array - plain[name]).max() for name, array in listed.items()) > 1e-4


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-6), ("float64", 1e-12)])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_reply_twice_is_a_reply_of_weight_2(replies_of, dtype, rtol, data):
    count = data.draw(st.integers(1, 5))
    numbers = st.floats(0.125, 8, width=32)
    stack = data.draw(arrays.arrays(dtype, (count, 2, 3), elements=numbers))
    sizes = data.draw(st.lists(st.integers(1, 1000), min_size=count, max_size=count))
    doubled = data.draw(st.integers(0, count - 1))
    clients = [({"w": array}, n) for array, n in zip(stack, sizes, strict=True)]
    weights, size = clients[doubled]

    def mean(of):
        return make_strategy("fedavg", "").aggregate_train(1, replies_of(of))[0]["w"].numpy()

    heavier = [*clients[:doubled], (weights, 2 * size), *clients[doubled + 1 :]]
    by_hand = sum(n * one["w"].astype(np.float64) for one, n in heavier) / sum(
        n for _, n in heavier
    )
    np.testing.assert_allclose(mean([*clients, clients[doubled]]), by_hand, rtol=rtol, atol=0)
    np.testing.assert_allclose(mean(heavier), by_hand, rtol=rtol, atol=0)


@pytest.mark.parametrize(("name", "told_apart"), [("fedmedian", True), ("fedavg", False)])
def test_who_counts_replies_tells_a_reply_twice_from_weight_2(replies_of, name, told_apart):
    one, two, three = ({"w": np.array([value])} for value in (0.0, 1.0, 8.0))

    def combined(*clients):
        record, _ = make_strategy(name, "").aggregate_train(1, replies_of(clients))
        return record["w"].numpy()[0]

    # The mean is (0 + 1 + 2 * 8) / 4 both times; the median of 0, 1, 8, 8 is 4.5, of 0, 1, 8 1.
    twice = combined((one, 5), (two, 5), (three, 5), (three, 5))
    heavy = combined((one, 5), (two, 5), (three, 10))
    assert (twice, heavy) == ((4.5, 1.0) if told_apart else (4.25, 4.25))
