"""The axes of a grid: a key with its values, or cases that set several keys at once."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.settings import read_value
from fedrec.config.keys import flat_tables
from fedrec.errors import ConfigError

CASES = "cases"  # name of the axis whose values are named sets of keys
_PAIRS = {"[": "]", "{": "}", "(": ")"}
_QUOTES = "\"'"


@dataclass(frozen=True)
class Axis:
    """What a grid varies, and the values it takes.

    Attributes:
        name: Dotted key, or "cases".
        changes: For each value the dotted keys that it sets, in the order given.
        names: For each value its name.
    """

    name: str
    changes: tuple[Mapping[str, Any], ...]
    names: tuple[str, ...]

    @property
    def keys(self) -> list[str]:
        """Dotted keys that its values set."""
        return list(dict.fromkeys(key for one in self.changes for key in one))


def key_axis(key: str, values: Sequence[Any]) -> Axis:
    """An axis of one key."""
    return Axis(key, tuple({key: value} for value in values), tuple(map(shown, values)))


def cases_axis(cases: Mapping[str, Any], where: str) -> Axis:
    """An axis of named sets of keys, as a grid's file has them under [cases.NAME].

    Raises:
        ConfigError: A case that is no table of keys.
    """
    if wrong := [name for name, keys in cases.items() if not isinstance(keys, Mapping) or not keys]:
        raise ConfigError(
            f"{where}: cases.{wrong[0]} must be a table of keys, as in [cases.{wrong[0]}]"
        )
    return Axis(CASES, tuple(flat_tables(keys) for keys in cases.values()), tuple(cases))


def parse_axes(texts: Sequence[str]) -> list[Axis]:
    """The axes of ``key=value,value`` texts, in their order.

    A value is read as in ``--set``; one that holds a comma stands in quotes. A list of TOML,
    ``key=[1, 2]``, is the same.

    Raises:
        ConfigError: A text that is no key with values, or a key that comes twice; a line for each.
    """
    axes: dict[str, Axis] = {}
    problems = []
    for text in texts:
        key, equals, words = (part.strip() for part in text.partition("="))
        if not equals or not key or not words:
            problems.append(f"--grid takes key=value,value, got {text!r}")
        elif key in axes:
            problems.append(f"--grid {key} is given twice; write all its values after one --grid")
        else:
            pieces = list(_split(_without_brackets(words)))
            if not all(pieces):
                problems.append(
                    f'--grid {text}: an empty value; write "" in quotes for an empty text'
                )
            axes[key] = key_axis(key, [read_value(key, piece) for piece in pieces])
    if problems:
        raise ConfigError(*problems)
    return list(axes.values())


def _without_brackets(words: str) -> str:
    """The inside of a list of TOML; other words as they are."""
    try:
        value = tomllib.loads(f"value = {words}")
    except (ValueError, RecursionError):
        return words
    is_list = isinstance(value.get("value"), list) and len(value) == 1
    return words[1:-1].strip().rstrip(",") if is_list else words


def _split(words: str) -> Iterator[str]:
    """The parts between commas that stand in no quotes and no brackets."""
    part, quote, closing = "", "", ""
    for letter in words:
        if letter == "," and not quote and not closing:
            yield part.strip()
            part = ""
            continue
        part += letter
        if quote:
            quote = "" if letter == quote else quote
        elif letter in _QUOTES:
            quote = letter
        elif letter in _PAIRS:
            closing += _PAIRS[letter]
        elif closing and letter == closing[-1]:
            closing = closing[:-1]
    yield part.strip()


def shown(value: Any) -> str:
    """A value as a name shows it: true and false as TOML writes them."""
    return str(value).lower() if isinstance(value, bool) else str(value)
