"""Resolve the config of a command: preset or file, then ``--set``, then options."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.engines.run import see_own_modules
from experiments.presets import preset_names, read_preset
from fedrec.config.config import Config
from fedrec.config.keys import absolute_paths, flatten, read_config
from fedrec.config.trust import check_trust
from fedrec.errors import ConfigError


def resolve(
    source: str | None,
    sets: Iterable[str],
    options: Mapping[str, Any] | None = None,
    *,
    centralised: bool = False,
    trust: bool = False,
) -> Config:
    """The config of a run, its paths absolute from the current folder; its modules are found there.

    Args:
        source: Preset or TOML file; the defaults when none is given.
        sets: ``key=value`` texts, later ones win over earlier ones.
        options: Dotted keys with values, which win over both; None is not set.
        centralised: Take the settings of the centralised baseline, which a preset may hold apart.
        trust: Import the modules that the config of a run's folder names, if any.

    Raises:
        ConfigError: An unknown key or preset, a wrong type, a value out of range, or a run's folder
            that names modules and is not trusted.
    """
    see_own_modules()
    values = read_preset(source, centralised=centralised) if source else {}
    if source:
        check_source(source, values, trust=trust)
    given = parse_sets(sets)
    given |= {key: value for key, value in (options or {}).items() if value is not None}
    ours = values.keys() - given.keys() if source in preset_names() else ()
    return absolute_paths(read_config(values | given, unwritten=ours), Path.cwd())


def check_source(
    source: str, values: Mapping[str, Any], *, trust: bool, how: str = "--trust"
) -> None:
    """Refuse code that a config names which lies in the folder of a run, maybe somebody else's.

    Args:
        source: Preset or TOML file.
        values: Its dotted keys.
        trust: Whether the user has said that the folder is trusted.
        how: What says so, as ``check_trust`` takes it.

    Raises:
        ConfigError: It names code and is not trusted.
    """
    path = Path(source)
    if path.suffix == ".toml" and (path.parent / "run.json").exists():
        check_trust(read_config(values), path.parent, trust=trust, how=how)


def parse_sets(sets: Iterable[str]) -> dict[str, Any]:
    """``key=value`` texts as keys and values.

    A value is read as TOML, so ``"10"`` in quotes is a string and ``true`` a truth value; what is
    no TOML is a bare word, a string. For a key that holds a string, quotes are never needed.
    """
    values: dict[str, Any] = {}
    for text in sets:
        key, equals, word = (part.strip() for part in text.partition("="))
        if not equals or not key:
            raise ConfigError(f"--set takes key=value, got {text!r}")
        values[key] = read_value(key, word)
    return values


def read_value(key: str, word: str) -> Any:
    """One value of a key as it was typed: what TOML reads, or the word itself for a string."""
    value = _value(word)
    is_bare = isinstance(flatten(Config()).get(key), str) and not isinstance(value, str)
    return word if is_bare else value


def _value(word: str) -> Any:
    try:
        read = tomllib.loads(f"value = {word}")
    except (ValueError, RecursionError):  # no TOML, too many digits, too many brackets
        return word
    return read["value"] if len(read) == 1 else word  # a line break could smuggle in more
