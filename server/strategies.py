"""Strategies by name: Flower's own, ours where Flower lacks one, or a user's class."""

import difflib
import inspect
import tomllib
from collections.abc import Iterable
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp import strategy as flower
from flwr.serverapp.strategy import FedAvg, Strategy

from fedrec.dotted import DOTTED_NAME, import_dotted
from fedrec.errors import ConfigError
from fedrec.models.parameters import NamedArrays


class ServerAdam(FedAvg):
    """Adam on the server: the mean update is a gradient, its state lasts over rounds.

    Equal to ``torch.optim.Adam`` on minus the mean update, counting accepted rounds only.
    (Flower's FedAdam counts its exponent from round + 1, so its first step is .744 of the rate,
    and adds tau to the root before the bias correction.) Reddi et al., ICLR 2021; Kingma & Ba,
    ICLR 2015.

    Args:
        learning_rate: size of a step.
        beta_1: decay of the mean of updates.
        beta_2: decay of the mean of their squares.
        epsilon: added to the root of the corrected second moment.
        **options: of Flower's FedAvg.
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.98,
        epsilon: float = 1e-8,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.learning_rate, self.epsilon = learning_rate, epsilon
        self.beta_1, self.beta_2 = beta_1, beta_2
        self.accepted_rounds = 0
        self.current: NamedArrays = {}
        self.first: NamedArrays = {}
        self.second: NamedArrays = {}

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Note the weights that the coming updates start from."""
        self.current = {name: array.numpy() for name, array in arrays.items()}
        return super().configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Take one Adam step along the mean update."""
        mean, metrics = super().aggregate_train(server_round, replies)
        if mean is None:
            return None, metrics
        self.accepted_rounds += 1
        rate = self.learning_rate / (1 - self.beta_1**self.accepted_rounds)
        correction = 1 - self.beta_2**self.accepted_rounds
        stepped = {}
        for name, array in mean.items():
            gradient = self.current[name] - array.numpy()
            zeros = np.zeros_like(gradient)
            first = self.beta_1 * self.first.get(name, zeros) + (1 - self.beta_1) * gradient
            second = self.beta_2 * self.second.get(name, zeros) + (1 - self.beta_2) * gradient**2
            self.first[name], self.second[name] = first, second
            step = rate * first / (np.sqrt(second / correction) + self.epsilon)
            stepped[name] = Array(np.asarray(self.current[name] - step))
        return ArrayRecord(stepped), metrics

    def state_dict(self) -> NamedArrays:
        """What the next round needs: moments by parameter name and the count of rounds."""
        state = {f"first/{name}": array for name, array in self.first.items()}
        state |= {f"second/{name}": array for name, array in self.second.items()}
        return state | {"accepted-rounds": np.array(self.accepted_rounds)}


STRATEGIES: dict[str, type[Strategy]] = {
    "fedavg": flower.FedAvg,
    "fedprox": flower.FedProx,
    "server-adam": ServerAdam,
    "fedavgm": flower.FedAvgM,
    "fedadam": flower.FedAdam,
    "fedyogi": flower.FedYogi,
    "fedadagrad": flower.FedAdagrad,
    "fedmedian": flower.FedMedian,
    "fedtrimmedavg": flower.FedTrimmedAvg,
    "krum": flower.Krum,
    "multikrum": flower.MultiKrum,
    "bulyan": flower.Bulyan,
}

# The round waits, chooses and weighs; a strategy has no say in that.
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
    *_OURS,
}


def make_strategy(name: str, options: str) -> Strategy:
    """The strategy of a name with its options.

    Args:
        name: one of ``STRATEGIES`` or ``"package.module:Class"`` of a Flower Strategy.
        options: keyword arguments as in an inline table of TOML: ``'proximal-mu = 0.01'``.

    Raises:
        ConfigError: an unknown name or option, or a value that the strategy refuses.
    """
    kind = _strategy_class(name)
    given = {key.replace("-", "_"): value for key, value in parse_options(options).items()}
    parameters = inspect.signature(kind.__init__).parameters
    known = sorted(set(parameters) - _NOT_OPTIONS)
    for key in given:
        if key not in known:
            shown = ", ".join(option.replace("_", "-") for option in known) or "none"
            raise ConfigError(
                f"strategy.options has {key.replace('_', '-')!r}, which {name} does not take; "
                f"it takes: {shown}"
            )
    if kind is flower.FedProx and "proximal_mu" not in given:
        raise ConfigError(
            "strategy.name = 'fedprox' needs its mu, or it is FedAvg; set strategy.options = "
            "'proximal-mu = 0.01' (0 is allowed when it is written)"
        )
    takes_rest = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    ours = {key: value for key, value in _OURS.items() if takes_rest or key in parameters}
    try:
        return kind(**given, **ours)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"strategy.options = {options!r} does not fit {name}: {error}") from error


def check_cohort(strategy: Strategy, size: int) -> None:
    """Refuse a strategy that cannot tell its malicious clients apart among so few.

    2f + 3 clients for Krum (Blanchard et al., NeurIPS 2017), 4f + 3 for Bulyan (El Mhamdi et al.,
    ICML 2018). With fewer, Flower's own go on without their protection.

    Args:
        strategy: of the run.
        size: clients chosen in a round.

    Raises:
        ConfigError: names the number that is needed.
    """
    if not isinstance(strategy, flower.MultiKrum | flower.Bulyan):  # Krum is a MultiKrum
        return
    malicious = strategy.num_malicious_nodes
    least = (4 if isinstance(strategy, flower.Bulyan) else 2) * malicious + 3
    if size < least:
        raise ConfigError(
            f"strategy.options has num-malicious-nodes = {malicious}, which needs {least} or more "
            f"clients a round, but partition.count and federation.fraction give {size}"
        )


def parse_options(text: str) -> dict[str, Any]:
    """Options written as an inline table of TOML without its braces."""
    try:
        table: dict[str, Any] = tomllib.loads(f"options = {{ {text} }}")["options"]
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"strategy.options must read like 'proximal-mu = 0.01, other = 2', got {text!r} "
            f"({error})"
        ) from error
    return table


def _strategy_class(name: str) -> type[Strategy]:
    if name in STRATEGIES:
        return STRATEGIES[name]
    if not DOTTED_NAME.fullmatch(name):
        near = difflib.get_close_matches(name, STRATEGIES, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f'strategy.name must be one of {", ".join(STRATEGIES)} or "package.module:Class", '
            f"got {name!r}{hint}"
        )
    kind = import_dotted("strategy.name", name)
    if not (isinstance(kind, type) and issubclass(kind, Strategy)):
        raise ConfigError(f"strategy.name {name!r} is no subclass of flwr.serverapp.Strategy")
    return kind
