"""What a mean must not depend on: trimming nothing, and the order in which replies arrive."""

import gc
import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from experiments.reproducibility.verify import WALL_TIMES
from fedrec import protocol
from server.aggregation.strategies import STRATEGIES, make_strategy
from server.rounds import run_rounds, train_round

# Of six clients, Flower's default beta of .2 cuts one at either end.
SIX = {"partition.count": 6}
UNTRIMMED = {"strategy.name": "fedtrimmedavg", "strategy.options": "beta = 0.0"}


def noting(sent, received):
    """Keep what a round sends and what it receives, as it travels."""

    def wrap(grid):
        push, pull = grid.push_messages, grid.pull_messages

        def noted(messages):
            found = {}
            for message in messages:
                record = message.content.array_records.get(protocol.ARRAYS, {})
                node = message.metadata.src_node_id
                found[node] = {name: array.numpy() for name, array in record.items()}
            return found

        def push_messages(messages):
            messages = list(messages)
            sent.update(next(iter(noted(messages).values())))
            return push(messages)

        def pull_messages(ids):
            replies = list(pull(ids))
            received.update(noted(replies))
            return replies

        grid.push_messages, grid.pull_messages = push_messages, pull_messages
        return grid

    return wrap


def test_trimming_nothing_is_the_plain_mean_of_the_replies(small_federation, precision):
    sent, received = {}, {}
    federation, state = small_federation(SIX | UNTRIMMED, wrap=noting(sent, received))
    for number in (1, 2):
        start = {name: array.copy() for name, array in state.weights.items()}
        received.clear()
        train_round(federation, state, number)
        assert len(received) == 6
        assert all(array.dtype == precision.name for array in sent.values())
        for name, w in start.items():
            updates = [
                one[name].astype(np.float64) - sent[name].astype(np.float64)
                for one in received.values()
            ]
            expected = w + sum(updates) / 6
            np.testing.assert_allclose(state.weights[name], expected, rtol=0, atol=1e-15)
    assert (
        len(set(federation.registration.targets.values())) == 6
    )  # a weighted mean would be another


def test_trimming_nothing_is_fedavg_where_all_clients_hold_the_same_number_of_targets(
    small_federation, own_events, precision
):
    def distance(changes):
        """Between FedAvg and the trimmed mean after a round, and how many targets there are."""
        plain, one = small_federation(SIX | changes | {"strategy.name": "fedavg"})
        trimmed, other = small_federation(SIX | changes | UNTRIMMED)
        train_round(plain, one, 1)
        train_round(trimmed, other, 1)
        apart = [np.abs(array - other.weights[name]).max() for name, array in one.weights.items()]
        return max(apart), set(plain.registration.targets.values())

    rng = np.random.default_rng(4)
    equal = own_events({f"u{u}": (f"h{u % 6}", rng.permutation(20)[:9]) for u in range(12)})
    apart, targets = distance(equal)
    assert targets == {2 * 6}  # two users each, with 7 events to train on
    assert apart <= 1e-15
    apart, targets = distance({})  # 60 users of all lengths
    assert len(targets) > 1
    assert apart > 1e-4


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-6), ("float64", 1e-14)])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_trimming_nothing_ignores_sizes_and_averages(replies_of, dtype, rtol, data):
    count = data.draw(st.integers(1, 7))
    numbers = st.floats(0.125, 8, width=32)
    stack = data.draw(arrays.arrays(dtype, (count, 2, 3), elements=numbers))
    sizes = data.draw(st.lists(st.integers(1, 1000), min_size=count, max_size=count))
    strategy = make_strategy("fedtrimmedavg", "beta = 0.0")
    replies = replies_of([({"w": array}, n) for array, n in zip(stack, sizes, strict=True)])
    combined, _ = strategy.aggregate_train(1, replies)
    expected = sum(stack.astype(np.float64)) / count
    np.testing.assert_allclose(combined["w"].numpy(), expected, rtol=rtol, atol=0)


OPTIONS = {  # seven clients: enough for what the robust ones need to be themselves
    "fedprox": "proximal-mu = 0.1",
    "qfedavg": "client-learning-rate = 0.1",
    "fedtrimmedavg": "beta = 0.2",
    "krum": "num-malicious-nodes = 2",
    "multikrum": "num-malicious-nodes = 2, num-nodes-to-select = 4",
    "bulyan": "num-malicious-nodes = 1",
}


def in_turn(replies, pulls):
    return replies


def scrambled(replies, pulls):
    """In turn all that are there, backwards, and a few of them in another order every time."""
    if pulls % 2 == 0:
        return replies[::-1]
    return random.Random(pulls).sample(replies, min(len(replies), 1 + pulls % 4))


def arriving(order):
    """Deliver the replies that are there in an order of the test's own; the rest stay."""

    def wrap(grid):
        pull, here, pulls = grid.pull_messages, [], itertools.count()

        def pull_messages(ids):
            here.extend(pull(ids))
            by_node = sorted(here, key=lambda reply: reply.metadata.src_node_id)
            delivered = order(by_node, next(pulls))
            here[:] = [reply for reply in here if reply not in delivered]
            return delivered

        grid.pull_messages = pull_messages
        return grid

    return wrap


def result(federation, state):
    """What a whole federation leaves: weights, lines without wall times, whose replies it used."""
    lines = []
    run_rounds(federation, state, lambda line, *_: lines.append(line))
    timeless = [{k: v for k, v in line.items() if k not in WALL_TIMES} for line in lines]
    return state.weights, timeless, state.accepted


@pytest.fixture
def small_heap():
    """Flower's QFedAvg and Bulyan collect garbage after every array: here, among new objects."""
    gc.freeze()
    yield
    gc.unfreeze()


# The means of another one of them, with another step or choice after it.
LIKE_OTHERS = (
    "fedprox", "fedavgm", "fedadagrad", "fedadam", "fedyogi", "multikrum", "fedtrimmedavg",
)  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in LIKE_OTHERS)) for name in STRATEGIES],
)
def test_no_order_of_replies_changes_a_byte(small_federation, small_heap, name):
    changes = {
        "strategy.name": name,
        "strategy.options": OPTIONS.get(name, ""),
        "partition.count": 7,
        "federation.evaluate-every": 2,
        "local.steps": 1,
        "model.private": "gate-bias",
    }
    plain, lines, used = result(*small_federation(changes, wrap=arriving(in_turn)))
    assert [line["aggregated"] for line in lines] == [[], [*range(7)], [*range(7)]]
    weights, *others = result(*small_federation(changes, wrap=arriving(scrambled)))
    assert others == [lines, used]
    for key, array in plain.items():
        np.testing.assert_array_equal(array, weights[key], err_msg=key)
