"""Whatever a hostile client sends, the model is that of the honest ones, bit for bit."""

import dataclasses
import re

import numpy as np
import pytest
from flwr.app import Array

from fedrec import protocol
from fedrec.config.keys import flatten
from server.aggregation.strategies import make_strategy
from server.engines.inline import InlineGrid
from server.messages.exchange import SampledNodes
from server.rounds import train_round
from server.state.server_state import ServerState
from tests.server.replies.hostile import HOSTILE, facts_of, scaled, weights_of

COUNT = 5
STRATEGIES = ("fedavg", "server-adam")


class Backwards(SampledNodes):
    """A grid that delivers the last reply first."""

    def __init__(self, grid):
        super().__init__(grid, grid.get_node_ids())

    def pull_messages(self, message_ids):
        return list(self._grid.pull_messages(message_ids))[::-1]


class Silent(SampledNodes):
    """A grid that loses every reply of some partitions."""

    def __init__(self, grid, partitions):
        super().__init__(grid, grid.get_node_ids())
        self._partitions = partitions

    def pull_messages(self, message_ids):
        replies = self._grid.pull_messages(message_ids)
        return [one for one in replies if facts_of(one)[protocol.PARTITION] not in self._partitions]


@pytest.fixture
def five(small_federation, remembered):
    """A federation of five and its first weights; answers are worked out once for all tests."""
    changes = {"partition.count": COUNT, "federation.round-timeout": 0.05, "model.blocks": 1}
    return small_federation(changes, client=remembered)


def one_round(five, strategy, grid):
    """The line and the state after a round over a grid, from the first weights on."""
    federation, start = five
    federation = dataclasses.replace(federation, grid=grid, strategy=make_strategy(strategy, ""))
    state = ServerState(dict(start.weights))
    return train_round(federation, state, 1), state


@pytest.fixture(scope="module")
def of_the_honest():
    """Weights of a round in which the others kept silent, by strategy and the silent ones."""
    return {}


def expected(five, of_the_honest, remembered, strategy, silent):
    if (strategy, silent) not in of_the_honest:
        grid = InlineGrid(remembered, COUNT, flatten(five[0].config))
        line, state = one_round(five, strategy, Silent(grid, silent))
        assert line["aggregated"] == [p for p in range(COUNT) if p not in silent]
        of_the_honest[strategy, silent] = state.weights
    return of_the_honest[strategy, silent]


def check(five, of_the_honest, remembered, tampered, strategy, hostile):
    """A round with hostile replies makes the bytes of one in which those clients kept silent.

    Args:
        hostile: partition -> one of ``HOSTILE``.
    """
    client = tampered({p: change for p, (_, change, _) in hostile.items()}, app=remembered)
    grid = Backwards(InlineGrid(client, COUNT, flatten(five[0].config)))
    line, state = one_round(five, strategy, grid)
    honest = [p for p in range(COUNT) if p not in hostile]
    assert line["aggregated"] == sorted(state.accepted) == honest
    assert [one["partition"] for one in line["excluded"]] == sorted(hostile)
    for one in line["excluded"]:
        assert re.search(hostile[one["partition"]][2], one["reason"]), one["reason"]
        assert one["while"] == "train"
    assert line["targets"] == sum(five[0].registration.targets[p] for p in honest)
    right = expected(five, of_the_honest, remembered, strategy, tuple(sorted(hostile)))
    for name, array in state.weights.items():
        assert array.tobytes() == right[name].tobytes(), name


PLACES = {"first": [0], "middle": [2], "last": [4], "several": [1, 3]}
OF_EACH = [next(one for one in HOSTILE if one[0].startswith(str(fault))) for fault in range(48, 56)]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", range(8), ids=[name for name, _, _ in OF_EACH])
def test_a_hostile_reply_at_any_place_and_several_at_once_change_no_bit(
    five, of_the_honest, remembered, tampered, number, place, strategy
):
    each = {p: OF_EACH[(number + 3 * k) % 8] for k, p in enumerate(PLACES[place])}
    check(five, of_the_honest, remembered, tampered, strategy, each)


@pytest.mark.parametrize("number", range(len(HOSTILE)), ids=[name for name, _, _ in HOSTILE])
def test_a_hostile_reply_of_any_kind_is_excluded_with_its_reason(
    five, of_the_honest, remembered, tampered, number
):
    hostile = {number % COUNT: HOSTILE[number]}
    check(five, of_the_honest, remembered, tampered, STRATEGIES[number // COUNT % 2], hostile)


def test_the_mean_is_that_of_the_honest_replies_by_hand(five, tampered, remembered):
    """Sum of n w over sum of n, in float64: what the aggregate of the honest ones is."""
    client = tampered(scaled(1e3), partitions=(2,), app=remembered)
    grid = InlineGrid(client, COUNT, flatten(five[0].config))
    _, state = one_round(five, "fedavg", grid)
    targets = five[0].registration.targets
    total = sum(targets[partition] for partition in client.honest)
    assert sorted(client.honest) == [0, 1, 3, 4]
    for name, array in state.weights.items():
        mean = sum(
            targets[partition]
            / total
            * content.array_records[protocol.ARRAYS][name].numpy().astype(np.float64)
            for partition, content in sorted(client.honest.items())
        )
        np.testing.assert_allclose(array, mean, rtol=0, atol=1e-14, err_msg=name)


def test_a_reply_in_another_order_of_memory_or_of_names_is_as_good(five, tampered, remembered):
    def task(reply, message):
        record = weights_of(reply)
        for name in sorted(record, reverse=True):
            record[name] = Array(np.asarray(record.pop(name).numpy(), order="F"))

    grids = [
        InlineGrid(client, COUNT, flatten(five[0].config))
        for client in (remembered, tampered(task, partitions=range(COUNT), app=remembered))
    ]
    (plain, one), (turned, other) = (one_round(five, "fedavg", grid) for grid in grids)
    assert turned["aggregated"] == plain["aggregated"] == list(range(COUNT))
    for name, array in one.weights.items():
        np.testing.assert_array_equal(array, other.weights[name])
