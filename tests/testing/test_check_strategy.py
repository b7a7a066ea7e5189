"""Conformance checks of strategies: ours conform, and each fault is named."""

from typing import ClassVar
from weakref import WeakKeyDictionary

import numpy as np
import pytest
from flwr.serverapp.strategy import FedAvg

from fedrec.testing import (
    ConformanceError,
    check_strategy,
)

STRATEGIES = {
    "fedavg": "",
    "fedprox": "proximal-mu = 0.1",
    "server-adam": "learning-rate = 0.1",
    "fedavgm": "server-momentum = 0.9",
    "fedadam": "",
    "fedmedian": "",
    "krum": "num-malicious-nodes = 1",
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_our_strategies_conform(name):
    check_strategy(name, STRATEGIES[name])


def test_a_strategy_may_be_an_instance_or_what_makes_one():
    check_strategy(FedAvg())
    check_strategy(FedAvg)


class Forgets(FedAvg):
    """Remembers a round where no checkpoint looks."""

    rounds: ClassVar[WeakKeyDictionary[FedAvg, int]] = WeakKeyDictionary()

    def aggregate_train(self, server_round, replies):
        self.rounds[self] = self.rounds.get(self, 0) + 1
        arrays, metrics = super().aggregate_train(server_round, replies)
        found = {
            name: type(a)(np.asarray(a.numpy() * self.rounds[self])) for name, a in arrays.items()
        }
        return type(arrays)(found), metrics


class Noisy(FedAvg):
    def aggregate_train(self, server_round, replies):
        arrays, metrics = super().aggregate_train(server_round, replies)
        noise = np.random.default_rng()
        found = {
            name: type(a)(np.asarray(a.numpy() + noise.normal(size=a.numpy().shape)))
            for name, a in arrays.items()
        }
        return type(arrays)(found), metrics


class Failing(FedAvg):
    def aggregate_train(self, server_round, replies):
        raise KeyError("weights")


class Silent(FedAvg):
    def aggregate_train(self, server_round, replies):
        return None, None


class Keeps(FedAvg):
    def __init__(self):
        super().__init__()
        self.lock = object()


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (Forgets, "restored from a checkpoint, the strategy goes on to other weights"),
        (Noisy, "made alike aggregate the same replies to other weights"),
        (Failing, "aggregate_train failed on 7 replies .*KeyError: 'weights'"),
        (Silent, "aggregate_train made no weights of 7 replies"),
        (Keeps, "holds 'lock'"),
        (FedAvg(fraction_train=0.5), "has fraction_train = 0.5, expected 1.0"),
        ("fedavk", "did you mean 'fedavg'"),
    ],
)
def test_a_strategy_that_does_not_conform_is_told_why(strategy, message):
    with pytest.raises(ConformanceError, match=message):
        check_strategy(strategy)


def test_what_is_no_strategy_is_refused_in_one_line():
    with pytest.raises(ConformanceError, match=r"must be a name, a Flower strategy or .* got 3"):
        check_strategy(3)
