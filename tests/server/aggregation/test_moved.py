"""Replies are held as they came: what is summed is made one client after the other."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from flwr.app import ConfigRecord, MetricRecord, RecordDict
from flwr.serverapp import strategy as flower

from fedrec import protocol
from fedrec.records import array_record
from server.aggregation.aggregate import aggregate
from server.replies.train import validate_train_reply
from server.state.server_state import ServerState

SIZE = 50_000


def weights(size=SIZE):
    stream = np.random.default_rng(3)
    drawn = {"rows": stream.standard_normal((size // 10, 10)), "bias": stream.standard_normal(7)}
    return {name: array.astype(np.float32) for name, array in drawn.items()}


def message(content):
    return SimpleNamespace(
        content=content, has_error=lambda: False, metadata=SimpleNamespace(src_node_id=1)
    )


def replies_of(sent, count):
    for partition in range(count):
        stream = np.random.default_rng([5, partition])
        moved = {
            name: array + stream.standard_normal(array.shape).astype(np.float32)
            for name, array in sent.items()
        }
        content = RecordDict(
            {
                protocol.ARRAYS: array_record(moved),
                protocol.METRICS: MetricRecord(
                    {
                        protocol.NUM_EXAMPLES: 3 + partition,
                        protocol.TRAIN_LOSS: 1.0,
                        protocol.TRAINED_TARGETS: 3,
                    }
                ),
                protocol.METADATA: ConfigRecord({protocol.ROUND: 1, protocol.PARTITION: partition}),
            }
        )
        yield validate_train_reply(
            message(content),
            sent=sent,
            round=1,
            partition=partition,
            declared=3 + partition,
            most_targets=9,
        )


def aggregated(strategy, sent, replies):
    state = ServerState({name: array.astype(np.float64) for name, array in sent.items()})
    config = SimpleNamespace(strategy=SimpleNamespace(name="a strategy"))
    context = SimpleNamespace(strategy=strategy, item_rows=(), config=config)
    aggregate(context, state, 1, dict(enumerate(replies)))
    return state.weights


def test_a_mean_holds_no_reply_a_second_time():
    sent, count = weights(), 20
    replies = list(replies_of(sent, count))
    tracemalloc.start()
    try:
        aggregated(flower.FedAvg(), sent, replies)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # A sum, and what one client at a time needs; all of them in float64 would be 20 * 8 bytes.
    assert peak < 8 * 8 * SIZE


@pytest.mark.parametrize(
    "kind", [flower.FedAvg, flower.FedMedian, flower.FedTrimmedAvg, flower.Krum]
)
def test_strategies_get_the_weights_that_clients_moved_to(kind):
    sent = weights(200)
    options = {"num_malicious_nodes": 0} if kind is flower.Krum else {}
    found = aggregated(kind(**options), sent, list(replies_of(sent, 5)))
    plain = list(replies_of(sent, 5))
    whole = [message(RecordDict({**one.reply.content})) for one in plain]
    for reply, one in zip(whole, plain, strict=True):
        moved = {name: start.astype(np.float64) + one.update[name] for name, start in sent.items()}
        reply.content[protocol.ARRAYS] = array_record(moved)
        del reply.content[protocol.METADATA]
    expected, _ = kind(**options).aggregate_train(1, whole)
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name].numpy(), strict=True)


def test_what_travels_of_a_moved_array_is_what_is_read():
    sent = weights(200)
    (reply,) = replies_of(sent, 1)
    aggregated(flower.FedAvg(), sent, [reply])
    array = reply.reply.content[protocol.ARRAYS]["rows"]
    carried = array_record({"rows": array.numpy()})["rows"]
    assert (array.dtype, array.shape, array.stype) == ("float64", (20, 10), carried.stype)
    assert array.data == carried.data
