import gc

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from fedrec import protocol
from fedrec.records import array_record
from server.aggregation.strategies import STRATEGIES, make_strategy
from server.aggregation.strategy_state import restore, snapshot
from server.checkpoints.content import Checkpoint, from_files, to_files
from server.engines.inline import InlineGrid
from server.state.server_state import ServerState

CLIENTS = 7
ROUNDS = 6
# What makes the strategies remember something.
OPTIONS = {
    "fedprox": "proximal-mu = 0.1",
    "fedavgm": "server-momentum = 0.9, server-learning-rate = 0.5",
    "qfedavg": "client-learning-rate = 0.1",
    "krum": "num-malicious-nodes = 1",
    "multikrum": "num-malicious-nodes = 1, num-nodes-to-select = 3",
    "bulyan": "num-malicious-nodes = 1",
}
REMEMBERING = ["server-adam", "fedavgm", "fedadam", "fedyogi", "fedadagrad"]


@pytest.fixture(autouse=True, scope="module")
def quick_collections():
    """Flower's q-FedAvg and Bulyan collect garbage once a client, .1 s each with torch loaded."""
    gc.freeze()
    yield
    gc.unfreeze()


def trained(strategy, weights, number, dtype):
    """Weights after a round in which seven clients sent random updates."""
    rng = np.random.default_rng(number)
    nodes = InlineGrid(ClientApp(), CLIENTS, {})
    questions = strategy.configure_train(number, array_record(weights), ConfigRecord(), nodes)
    replies = []
    for question in questions:
        moved = {
            name: (array + 0.1 * rng.normal(size=array.shape)).astype(dtype)
            for name, array in weights.items()
        }
        count, loss = int(rng.integers(1, 9)), float(rng.uniform(0.5, 2))
        metrics = {protocol.NUM_EXAMPLES: count, protocol.TRAIN_LOSS: loss}
        question.metadata.__dict__["_message_id"] = str(len(replies))
        content = RecordDict({"arrays": array_record(moved), "metrics": MetricRecord(metrics)})
        replies.append(Message(content, reply_to=question))
    combined, _ = strategy.aggregate_train(number, replies)
    return {name: combined[name].numpy() for name in weights}


def start(dtype):
    # Not in the order of the alphabet, which is how safetensors writes.
    return {
        "w": np.linspace(-1, 1, 6, dtype=dtype).reshape(2, 3),
        "scale": np.array(0.5, dtype=dtype),
        "bias": np.zeros(4, dtype=dtype),
    }


def through_files(saved, weights):
    """What comes back of a snapshot and weights that went through a checkpoint's bytes."""
    files = to_files(Checkpoint(line={"round": 1}, state=ServerState(weights), strategy=saved))
    found = from_files(files.__getitem__)
    return found.strategy, found.state.weights


def resumed_run(name, dtype, stop, restores=True):
    """Weights after each round of a run that was resumed after round ``stop``."""
    strategy, weights, seen = make_strategy(name, OPTIONS.get(name, "")), start(dtype), []
    for number in range(1, ROUNDS + 1):
        weights = trained(strategy, weights, number, dtype)
        seen.append(weights)
        if number == stop:
            saved, weights = through_files(snapshot(strategy), weights)
            strategy = make_strategy(name, OPTIONS.get(name, ""))
            if restores:
                restore(strategy, saved)
    return seen


def as_bytes(rounds):
    return [{name: (a.dtype, a.tobytes()) for name, a in weights.items()} for weights in rounds]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("stop", [1, 3])
@pytest.mark.parametrize("name", STRATEGIES)
def test_a_restored_strategy_goes_on_bit_for_bit(name, stop, dtype):
    uninterrupted = resumed_run(name, dtype, stop=0)
    assert as_bytes(resumed_run(name, dtype, stop)) == as_bytes(uninterrupted)


@pytest.mark.parametrize("name", REMEMBERING)
def test_without_its_state_a_strategy_goes_on_elsewhere(name):
    # Or the test above would prove nothing.
    forgetful = as_bytes(resumed_run(name, np.float64, stop=3, restores=False))
    uninterrupted = as_bytes(resumed_run(name, np.float64, stop=0))
    assert forgetful[:3] == uninterrupted[:3]
    assert forgetful[3] != uninterrupted[3]


def same(a, b):
    """Equality of types and bits, at any depth."""
    if type(a) is not type(b):
        return False
    match a:
        case list() | tuple():
            return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
        case dict() | ArrayRecord():
            return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
        case np.ndarray() | np.generic():
            return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
        case float():
            return repr(a) == repr(b)  # nan is nan, and -0.0 is not 0.0
    return bool(a == b)


@pytest.mark.parametrize("name", sorted(set(STRATEGIES) - {"server-adam"}))
def test_every_attribute_has_the_type_and_bits_that_it_had(name):
    strategy = make_strategy(name, OPTIONS.get(name, ""))
    trained(strategy, start(np.float64), 1, np.float64)
    again = make_strategy(name, OPTIONS.get(name, ""))
    restore(again, through_files(snapshot(strategy), {})[0])
    assert same(vars(again), vars(strategy))


class Keeps(FedAvg):
    """A strategy of someone's own, with one attribute."""

    def __init__(self, value=None):
        super().__init__()
        self.value = value


ARRAYS = st_numpy.arrays(
    st.sampled_from(["f8", "f4", "f2", "i8", "i4", "u1", "bool"]),
    st_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([np.float64(0.1), np.float32(0.1), np.int64(-3), np.bool_(True)])
)
VALUES = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_whatever_can_be_kept_comes_back_as_it_was(value):
    again = Keeps()
    restore(again, through_files(snapshot(Keeps(value)), {})[0])
    assert same(again.value, value)


def test_names_that_would_meet_in_the_file_stay_apart():
    value = {"a/b": np.zeros(1), "a": {"b": np.ones(1)}, 1: np.full(1, 2.0), "1": np.full(1, 3.0)}
    again = Keeps()
    restore(again, snapshot(Keeps(value)))
    assert same(again.value, value)


def test_a_snapshot_and_what_is_restored_are_copies():
    array = np.zeros(2)
    saved = snapshot(Keeps(array))
    array += 1
    again = Keeps()
    restore(again, saved)
    again.value += 5  # as a strategy that works in place does
    np.testing.assert_array_equal(saved.arrays["value"], [0.0, 0.0])


def test_a_record_of_flower_comes_back_as_one_at_any_depth():
    record = ArrayRecord({"b": Array(np.arange(3.0)), "a": Array(np.array(2.0))})
    again = Keeps()
    restore(again, through_files(snapshot(Keeps([record])), {})[0])
    assert isinstance(again.value[0], ArrayRecord)
    assert list(again.value[0]) == ["b", "a"]
    assert again.value[0]["b"].data == record["b"].data
