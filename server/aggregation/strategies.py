"""Strategies by name: Flower's own, ours where Flower lacks one, or a user's class."""

import difflib
import inspect
import math
import tomllib
from typing import Any

from flwr.serverapp import strategy as flower
from flwr.serverapp.strategy import Strategy

from fedrec import protocol
from fedrec.config.keys import RENAMED
from fedrec.config.values.import_strings import IMPORT_STRING, import_string
from fedrec.errors import ConfigError
from fedrec.runs.redaction import secret_texts
from server.aggregation.instances import own_instance
from server.aggregation.lora_products import LoraSVD
from server.aggregation.server_adam import ServerAdam

STRATEGIES: dict[str, type[Strategy]] = {
    "fedavg": flower.FedAvg,
    "fedprox": flower.FedProx,
    "server-adam": ServerAdam,
    "lora-svd": LoraSVD,
    "fedavgm": flower.FedAvgM,
    "fedadam": flower.FedAdam,
    "fedyogi": flower.FedYogi,
    "fedadagrad": flower.FedAdagrad,
    "qfedavg": flower.QFedAvg,
    "fedmedian": flower.FedMedian,
    "fedtrimmedavg": flower.FedTrimmedAvg,
    "krum": flower.Krum,
    "multikrum": flower.MultiKrum,
    "bulyan": flower.Bulyan,
}

# The round samples, waits and weighs; a strategy has no part in that.
_OURS = {"min_train_nodes": 1, "min_evaluate_nodes": 1, "min_available_nodes": 1}
_NOT_OPTIONS = {
    "self",
    "options",
    "fraction_train",
    "fraction_evaluate",
    "weighted_by_key",
    "arrayrecord_key",
    "configrecord_key",
    "train_metrics_aggr_fn",
    "evaluate_metrics_aggr_fn",
    "train_loss_key",
    "selection_rule",  # a function, which TOML has not
    *_OURS,
}
_COMPARE_CLIENTS = (
    flower.QFedAvg,
    flower.FedMedian,
    flower.FedTrimmedAvg,
    flower.MultiKrum,  # Krum is one too
    flower.Bulyan,
)
_NO_DEFAULT = inspect.Parameter.empty
_REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_ABOVE_ZERO = ("client_learning_rate", "num_nodes_to_select", "epsilon")


def make_strategy(name: str, options: str) -> Strategy:
    """Make the strategy of a name with its options.

    Args:
        name: One of ``STRATEGIES`` or ``"package.module:Class"`` of a Flower Strategy.
        options: Keyword arguments, as in an inline table of TOML: ``'proximal-mu = 0.01'``.

    Raises:
        ConfigError: An unknown name or option, or a value that the strategy refuses.
    """
    kind = _strategy_class(name)
    if isinstance(kind, Strategy):  # handed over from Python, with its options in it
        return own_instance(kind)
    given = {key.replace("-", "_"): value for key, value in parse_options(options).items()}
    parameters = inspect.signature(kind.__init__).parameters
    rest = {key for key, each in parameters.items() if each.kind in _REST}
    known = sorted(set(parameters) - _NOT_OPTIONS - rest)
    for key in given:
        if key not in known:
            shown = ", ".join(option.replace("_", "-") for option in known) or "none"
            old = f"strategy.options: {key.replace('_', '-')}"
            if old in RENAMED:
                raise ConfigError(f"{old} was renamed; set {RENAMED[old]}")
            raise ConfigError(
                f"strategy.options has {key.replace('_', '-')!r}, which {name} does not take; "
                f"it takes: {shown}{_takers(key, bool(known))}"
            )
        _check_number(name, key, given[key], parameters[key])
    if kind is flower.FedProx and "proximal_mu" not in given:
        raise ConfigError(
            "strategy.name = 'fedprox' needs its mu, or it is FedAvg; set strategy.options = "
            "'proximal-mu = 0.01' (0 is allowed when it is written)"
        )
    for key in known:
        if parameters[key].default is _NO_DEFAULT and key not in given:
            raise ConfigError(
                f"strategy.name = {name!r} needs {key.replace('_', '-')!r}; set strategy.options = "
                f"'{key.replace('_', '-')} = ...'"
            )
    takes_rest = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    ours: dict[str, Any] = {k: v for k, v in _OURS.items() if takes_rest or k in parameters}
    if "train_loss_key" in parameters:  # QFedAvg weighs by it
        ours["train_loss_key"] = protocol.TRAIN_LOSS
    try:
        return kind(**given, **ours)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"strategy.options = {options!r} does not fit {name}: {error}") from error


def _check_number(name: str, key: str, value: Any, parameter: inspect.Parameter) -> None:
    """Refuse before the first round what would fail, or ascend, only in its aggregation."""
    if parameter.annotation not in (int, float):
        return
    kinds = (int,) if parameter.annotation is int else (int, float)
    if type(value) not in kinds or not math.isfinite(value):
        wanted = "a whole number" if parameter.annotation is int else "a finite number"
    elif name not in STRATEGIES:  # the author of a class knows what its numbers may be
        return
    elif key in _ABOVE_ZERO and value <= 0:
        wanted = "above 0"
    elif value < 0:
        wanted = "0 or more"
    elif key.startswith("beta") and value >= 1:
        wanted = "below 1"
    else:
        return
    raise ConfigError(
        f"strategy.options: {key.replace('_', '-')} of {name} must be {wanted}, got {value!r}"
    )


def min_replies(strategy: Strategy) -> int:
    """Minimum number of replies with which a strategy can tell malicious clients apart.

    2f + 3 for Krum (Blanchard et al., NeurIPS 2017), 4f + 3 for Bulyan (El Mhamdi et al., ICML
    2018), 1 for those that trust all clients. With fewer, Flower's Krum goes on without protection.
    """
    match strategy:
        case flower.MultiKrum():  # Krum is one too
            return 2 * strategy.num_malicious_nodes + 3
        case flower.Bulyan():
            return 4 * strategy.num_malicious_nodes + 3
    return 1


def check_cohort(strategy: Strategy, size: int) -> None:
    """Refuse a strategy that cannot tell malicious clients apart in so small a cohort.

    Args:
        strategy: Strategy of the run.
        size: Number of clients in a cohort.

    Raises:
        ConfigError: The cohort is too small; the message names the number that is needed.
    """
    minimum = min_replies(strategy)
    if size < minimum:
        malicious = getattr(strategy, "num_malicious_nodes", 0)
        raise ConfigError(
            f"strategy.options has num-malicious-nodes = {malicious}, which needs {minimum} or "
            f"more clients a round, but partition.count and federation.fraction give {size}"
        )


def check_unit(name: str, strategy: Strategy, unit: str) -> None:
    """Refuse a strategy that compares clients where it would see sums over users instead.

    These strategies are known by their classes: Flower's own, and subclasses of them. Another class
    that compares clients passes, and then compares partitions.

    Raises:
        ConfigError: The strategy compares clients; the message names the alternatives.
    """
    if unit == "user" and isinstance(strategy, _COMPARE_CLIENTS):
        raise ConfigError(
            f"strategy.name = {name!r} compares clients with each "
            "other, but with federation.unit = 'user' the server sees sums over users only; bound "
            "each user with federation.clip-norm, or set federation.unit = 'partition'"
        )


def _takers(key: str, takes_others: bool) -> str:
    """Which strategies take an option that this one does not; "" where none does."""
    taken = {
        name: set(inspect.signature(kind.__init__).parameters) - _NOT_OPTIONS - {"kwargs"}
        for name, kind in STRATEGIES.items()
    }
    if names := [name for name, options in taken.items() if key in options]:
        return f"; {', '.join(names)} would take it"
    if takes_others:
        return ""
    return f"; options are for {', '.join(name for name, options in taken.items() if options)}"


def parse_options(text: str) -> dict[str, Any]:
    """Parse options written as an inline table of TOML without its braces."""
    try:
        table: dict[str, Any] = tomllib.loads(f"options = {{ {text} }}")["options"]
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"strategy.options must read like 'proximal-mu = 0.01, other = 2', got {text!r} "
            f"({error})"
        ) from error
    return table


def secret_options(text: str) -> dict[str, str]:
    """Texts in ``strategy.options`` that are secrets by the names of their keys."""
    return secret_texts(parse_options(text))


def _strategy_class(name: str) -> type[Strategy] | Strategy:
    if name in STRATEGIES:
        return STRATEGIES[name]
    if not IMPORT_STRING.fullmatch(name):
        near = difflib.get_close_matches(name, STRATEGIES, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f'strategy.name must be one of {", ".join(STRATEGIES)} or "package.module:Class", '
            f"got {name!r}{hint}"
        )
    kind = import_string("strategy.name", name)
    if isinstance(kind, Strategy):
        return kind
    if not (isinstance(kind, type) and issubclass(kind, Strategy)):
        raise ConfigError(f"strategy.name {name!r} is no subclass of flwr.serverapp.Strategy")
    return kind
