"""State of a strategy between rounds, as named arrays and plain JSON, and back.

A strategy with ``state_dict`` and ``load_state_dict`` defines its state itself. Of any other the
attributes are stored: numbers, texts, numpy arrays, Flower's records of arrays, and lists, tuples
and dictionaries of those. Restored, every value has the type and the bits that it had.
"""

import functools
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord
from flwr.serverapp.strategy import Strategy

from fedrec.errors import ConfigError, DataError
from fedrec.models.parameters import NamedArrays

# What safetensors keeps bit for bit in numpy, in this machine's byte order.
_STORABLE = {
    np.dtype(name)
    for name in (
        *("float64", "float32", "float16", "bool"),
        *("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8"),
    )
}


@dataclass(frozen=True)
class Snapshot:
    """A copy of a strategy's state.

    Attributes:
        arrays: Arrays by a path such as ``momentum_vector/0``.
        values: All other values as JSON, with the paths of the arrays in their place.
    """

    arrays: NamedArrays
    values: dict[str, Any]


def snapshot(strategy: Strategy, secrets: Mapping[str, str] | None = None) -> Snapshot:
    """Take a snapshot of a strategy's state.

    Before the first round this checks that the state can be stored at all.

    Args:
        strategy: Strategy of the run.
        secrets: Name -> text that must not be stored; its name is stored instead.

    Raises:
        ConfigError: The strategy holds something that is neither number, text nor array.
    """
    arrays: NamedArrays = {}
    values: dict[str, Any] = {"class": _name(type(strategy))}
    try:
        if _has_state_dict(strategy):
            state = _pack(strategy.state_dict(), "", arrays)  # type: ignore[attr-defined]  # just looked
            values["state_dict"] = _redact(secrets or {}, state)
            return Snapshot(arrays, values)
        # A function is there again after construction; its name tells whether it is the same.
        functions = {k: v for k, v in vars(strategy).items() if _is_function(v, strategy)}
        values["functions"] = {key: _function_name(value) for key, value in functions.items()}
        values["attributes"] = {
            key: _redact(secrets or {}, _pack(value, key, arrays))
            for key, value in vars(strategy).items()
            if key not in functions
        }
    except _NotStorableError as error:
        raise ConfigError(
            f"strategy {type(strategy).__name__} holds {error}, which a checkpoint cannot hold; "
            "give it state_dict and load_state_dict, or set run.checkpoint-every = 0"
        ) from None
    return Snapshot(arrays, values)


def restore(strategy: Strategy, saved: Snapshot, secrets: Mapping[str, str] | None = None) -> None:
    """Restore the state of a snapshot into a newly made strategy.

    Args:
        strategy: Newly made strategy.
        saved: Snapshot to restore.
        secrets: Secrets that the snapshot was taken with.

    Raises:
        ConfigError: The snapshot names a function that the strategy was not made with.
        DataError: The snapshot is of another class.
    """
    name = _name(type(strategy))
    if saved.values.get("class") != name:
        raise DataError(
            f"the checkpoint holds the state of strategy {saved.values.get('class')}, but the run "
            f"uses {name}"
        )
    if "state_dict" in saved.values:
        state = _unredact(secrets or {}, saved.values["state_dict"])
        strategy.load_state_dict(_unpack(state, saved.arrays))  # type: ignore[attr-defined]  # snapshot looked
        return
    for key, function in saved.values["functions"].items():
        there = getattr(strategy, key, None)
        if there is None or _function_name(there) != function:
            raise ConfigError(
                f"strategy {type(strategy).__name__} got its {key!r} ({function}) after it was "
                "made, which a checkpoint cannot hold; give it state_dict and load_state_dict"
            )
    for key, value in saved.values["attributes"].items():
        setattr(strategy, key, _unpack(_unredact(secrets or {}, value), saved.arrays))


class _NotStorableError(Exception):
    """A value, by its path and type, cannot be stored in a checkpoint."""

    def __init__(self, path: str, value: object, note: str = "") -> None:
        super().__init__(f"{path!r} ({type(value).__name__}{note})")


def _pack(value: Any, path: str, arrays: NamedArrays) -> Any:
    """Encode a value as JSON; what JSON does not know becomes an object with one key, its kind."""
    kind = type(value)  # exactly: a subclass would come back as its base
    if value is None or kind in (bool, int, str) or (kind is float and math.isfinite(value)):
        return value
    if kind is float:
        return {"float": repr(value)}  # nan, inf and -inf
    if kind is list or kind is tuple:
        inner = [_pack(one, _join(path, number), arrays) for number, one in enumerate(value)]
        return {kind.__name__: inner}
    if kind is dict:
        pairs = [[_pack(k, path, {}), _pack(v, _join(path, k), arrays)] for k, v in value.items()]
        return {"dict": pairs}
    if kind is ArrayRecord:
        return {"record": [[k, _pack(v, _join(path, k), arrays)] for k, v in value.items()]}
    if kind is Array and value.stype == "numpy.ndarray":
        return {"flower": _store(value.numpy(), path, arrays)}
    if kind is np.ndarray:
        return {"array": _store(value, path, arrays)}
    if isinstance(value, np.generic):
        return {"scalar": _store(np.asarray(value), path, arrays)}
    raise _NotStorableError(path, value)


def _redact(secrets: Mapping[str, str], node: Any) -> Any:
    """Replace every text that holds a secret by pieces that name it."""
    if isinstance(node, list):
        return [_redact(secrets, one) for one in node]
    if isinstance(node, dict):
        return {kind: _redact(secrets, inner) for kind, inner in node.items()}
    if not isinstance(node, str) or not any(secret in node for secret in secrets.values()):
        return node
    pieces: list[Any] = [node]
    # The longest first: it may hold another one.
    for name, secret in sorted(secrets.items(), key=lambda pair: -len(pair[1])):
        pieces = [
            part
            for piece in pieces
            for part in (_split(piece, secret, name) if isinstance(piece, str) else [piece])
        ]
    return {"pieces": pieces}


def _split(text: str, secret: str, name: str) -> list[Any]:
    first, *others = text.split(secret)
    return [first, *(part for other in others for part in ({"secret": name}, other))]


def _unredact(secrets: Mapping[str, str], node: Any) -> Any:
    """Replace the names of secrets by the secrets."""
    if isinstance(node, list):
        return [_unredact(secrets, one) for one in node]
    if not isinstance(node, dict):
        return node
    if "pieces" in node:
        pieces = [one if isinstance(one, str) else secrets[one["secret"]] for one in node["pieces"]]
        return "".join(pieces)
    return {kind: _unredact(secrets, inner) for kind, inner in node.items()}


def _unpack(node: Any, arrays: NamedArrays) -> Any:
    if not isinstance(node, dict):
        return node
    ((kind, inner),) = node.items()
    match kind:
        case "float":
            return float(inner)
        case "list":
            return [_unpack(one, arrays) for one in inner]
        case "tuple":
            return tuple(_unpack(one, arrays) for one in inner)
        case "dict":
            return {_unpack(key, arrays): _unpack(one, arrays) for key, one in inner}
        case "record":
            return ArrayRecord({key: _unpack(one, arrays) for key, one in inner})
        case "flower":
            return Array(arrays[inner])
        case "array":
            return arrays[inner].copy()
        case "scalar":
            return arrays[inner][()]
    raise DataError(f"the checkpoint's strategy holds a value of kind {kind!r}, which is unknown")


def _store(array: np.ndarray, path: str, arrays: NamedArrays) -> str:
    """Store a copy of an array; return its path."""
    if array.dtype not in _STORABLE:
        raise _NotStorableError(path, array, f" of {array.dtype}")
    while path in arrays:  # {"a/b": x, "a": {"b": y}}
        path += "'"
    arrays[path] = np.array(array, order="C")
    return path


def _join(path: str, key: object) -> str:
    return f"{path}/{key}" if path else str(key)


def _has_state_dict(strategy: Strategy) -> bool:
    has = [callable(getattr(strategy, name, None)) for name in ("state_dict", "load_state_dict")]
    if any(has) and not all(has):
        given, missing = ("state_dict", "load_state_dict")[:: 1 if has[0] else -1]
        raise ConfigError(
            f"strategy {type(strategy).__name__} has {given} without {missing}; a checkpoint "
            "needs both, or set run.checkpoint-every = 0"
        )
    return all(has)


def _is_function(value: object, strategy: Strategy) -> bool:
    """Whether a value is code alone. ``generator.choice`` is not: its generator has a state."""
    if isinstance(value, functools.partial):
        return _is_function(value.func, strategy)
    if isinstance(value, types.MethodType | types.BuiltinFunctionType):
        owner = value.__self__
        return owner is None or owner is strategy or isinstance(owner, type | types.ModuleType)
    return isinstance(value, types.FunctionType | type | np.ufunc)


def _function_name(value: Any) -> str:
    if isinstance(value, functools.partial):
        return f"partial of {_function_name(value.func)}"
    return _name(value) if hasattr(value, "__qualname__") else str(value)


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"
