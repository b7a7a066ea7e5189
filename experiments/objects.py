"""Objects that ``fedrec.simulate`` takes, as keys of a config: a model, a strategy, functions."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fedrec.config.config import Value
from fedrec.config.handed_over import named, travels
from fedrec.config.keys import toml_value
from fedrec.config.values.choices import names_in
from fedrec.errors import ConfigError

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy

KEYS = {"model": "model.name", "loss": "loss.name", "partition": "partition.by"}
ON_SERVER = ("strategy.name", "evaluation.metrics")
IN_THIS_PROCESS = {"inline": (*KEYS.values(), *ON_SERVER), "ray": ON_SERVER}


def object_keys(
    strategy: "str | Strategy | type[Strategy] | None" = None,
    metric: str | Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
    **objects: str | Callable[..., Any] | None,
) -> dict[str, Value]:
    """The dotted keys that stand for objects; names pass as they are.

    Args:
        strategy: A name, a Flower strategy or its class.
        metric: Import strings, a function or several.
        objects: ``model``, ``loss`` and ``partition``: a name, or a class or function.

    Raises:
        ConfigError: A model that does not follow the protocol, or a strategy that cannot be used.
    """
    keys: dict[str, Value] = {}
    for word, value in objects.items():
        if value is None:
            continue
        if word == "model":
            from fedrec.factory.own_model import model_name

            keys[KEYS[word]] = model_name(value)
        elif isinstance(value, str) or callable(value):
            keys[KEYS[word]] = named(word, value)
        else:
            raise ConfigError(f"{word} must be a name or a function, got {value!r}")
    if metric is not None:
        several = [metric] if isinstance(metric, str) or callable(metric) else metric
        keys["evaluation.metrics"] = ",".join(named("metric", one) for one in several)
    return keys | ({} if strategy is None else _strategy_keys(strategy))


def check_objects(config: Mapping[str, Value], engine: str) -> None:
    """Refuse an object that the processes of an engine could not import.

    Args:
        config: Dotted keys.
        engine: "inline", "ray" or "flower".

    Raises:
        ConfigError: Names the key and what to do.
    """
    for key in (*KEYS.values(), *ON_SERVER):
        if key in IN_THIS_PROCESS.get(engine, ()):
            continue
        for value in names_in(str(config[key])):
            if not travels(value):
                raise ConfigError(
                    f"{key} is {value.partition(':')[2]}, an object of this process that engine "
                    f"{engine!r} cannot carry to others; define it in a module and give "
                    "\"package.module:name\", or run on engine 'inline'"
                )


def _strategy_keys(strategy: "str | Strategy | type[Strategy]") -> dict[str, Value]:
    """Name and options of a strategy: those of the config that makes the same, where there is one.

    Such a run can be repeated from its config.toml, on any engine.
    """
    from flwr.serverapp.strategy import Strategy

    from server.aggregation.instances import have_equal_state, own_instance, plain_options
    from server.aggregation.strategies import STRATEGIES, make_strategy

    if isinstance(strategy, str):
        return {"strategy.name": strategy}
    kind = strategy if isinstance(strategy, type) else type(strategy)
    if not issubclass(kind, Strategy):
        raise ConfigError(
            f"strategy must be a name or a flwr.serverapp.strategy.Strategy, got {strategy!r}"
        )
    known = {cls: name for name, cls in STRATEGIES.items()}
    name = known.get(kind) or named("strategy", kind)
    if isinstance(strategy, type):
        return {"strategy.name": name}
    own = own_instance(strategy)
    options = ", ".join(
        f"{key.replace('_', '-')} = {toml_value(value)}"
        for key, value in plain_options(strategy).items()
    )
    try:
        if have_equal_state(make_strategy(name, options), own):
            return {"strategy.name": name, "strategy.options": options}
    except ConfigError:
        pass  # no config makes it
    return {"strategy.name": named("strategy", strategy), "strategy.options": ""}
