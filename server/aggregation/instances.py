"""Strategies that were made in Python: fitted to our rounds, or as the options that make them."""

import copy
import inspect
from typing import Any

from flwr.serverapp.strategy import FedAvg, Strategy

from fedrec import protocol
from fedrec.errors import ConfigError

# The round samples, waits and weighs: options of Flower's strategies must not change that.
_NODES = ("min_train_nodes", "min_evaluate_nodes", "min_available_nodes")
_FIXED = {
    "fraction_train": (1.0, "federation.fraction says how many partitions take part"),
    "weighted_by_key": (protocol.NUM_EXAMPLES, "replies are weighted by their training targets"),
    "arrayrecord_key": (protocol.ARRAYS, "messages carry the weights under this name"),
    "configrecord_key": (protocol.CONFIG, "messages carry their settings under this name"),
}


def own_instance(strategy: Strategy) -> Strategy:
    """Copy a strategy for one run, so that it waits for no minimum number of nodes.

    Args:
        strategy: Strategy as its author made it; it is not changed.

    Raises:
        ConfigError: It samples clients itself, or renames what travels.
    """
    made = copy.deepcopy(strategy)
    for name, (value, why) in _FIXED.items():
        seen = getattr(made, name, value)
        if seen != value:
            raise ConfigError(
                f"strategy {type(strategy).__name__} has {name} = {seen!r}, expected {value!r}: "
                f"{why}"
            )
    if isinstance(made, FedAvg):
        for name in _NODES:
            setattr(made, name, 1)
    if hasattr(made, "train_loss_key"):
        made.train_loss_key = protocol.TRAIN_LOSS
    return made


def plain_options(strategy: Strategy) -> dict[str, Any]:
    """The arguments that were not left at their defaults and that TOML can write, by name.

    Flower's strategies keep each argument as an attribute of its name.
    """
    found = {}
    for name, parameter in inspect.signature(type(strategy).__init__).parameters.items():
        value = getattr(strategy, name, parameter.default)
        is_plain = isinstance(value, bool | int | float | str)
        if is_plain and value != parameter.default and name not in (*_NODES, *_FIXED):
            found[name] = value
    return found


def have_equal_state(left: Strategy, right: Strategy) -> bool:
    """Whether two strategies are of one class and hold the same; arrays are never equal here."""
    try:
        return type(left) is type(right) and bool(vars(left) == vars(right))
    except ValueError:  # of arrays, which are no single truth
        return False
