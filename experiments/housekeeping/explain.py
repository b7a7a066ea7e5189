"""What a config key means, in the words of its comment, its default and its check."""

import ast
import dataclasses
import difflib
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from experiments.presets import preset_names, read_preset
from fedrec.config.config import Config, Value
from fedrec.config.keys import RENAMED, read_config, toml_value
from fedrec.data.readers.detect import FORMATS
from fedrec.errors import ConfigError
from server.aggregation.strategies import STRATEGIES

TYPES = {int: "whole number", float: "number", bool: "true or false", str: "text"}
PROBES: dict[type, tuple[Any, ...]] = {
    int: (-1,),
    float: (-1.0, float("nan")),
    str: ("no such word!", ""),
    bool: (),
}
# Names that are looked up where they are used, and not when the config is read.
LOOKED_UP = {
    "data.format": ", ".join(FORMATS),
    "strategy.name": ", ".join(STRATEGIES) + ', or "package.module:Class"',
}
TOP = {
    "seed": "Seed of the run; every random stream is derived from it.",
    "device": "Where torch computes; `auto` takes a GPU if there is one.",
}


@dataclass(frozen=True, kw_only=True)
class Key:
    """A config key.

    Attributes:
        section: Its section; "" for a key without one.
        name: The dotted key.
        default: Its default.
        meaning: What it means, a sentence.
    """

    section: str
    name: str
    default: Value
    meaning: str

    @property
    def kind(self) -> str:
        """What type its value has."""
        return TYPES[type(self.default)]

    @property
    def allowed(self) -> str:
        """What a value must be, in the words of the message that refuses another one."""
        if self.name in LOOKED_UP:
            return "one of " + LOOKED_UP[self.name]
        for probe in PROBES[type(self.default)]:
            try:
                read_config({self.name: probe})
            except ConfigError as error:
                must = rf"(?ms)\b{re.escape(self.name)} must be (.+?), got "
                if found := re.search(must, str(error)):
                    return " ".join(found[1].split())
        return ""

    @property
    def presets(self) -> dict[str, Value]:
        """Preset -> its value, for each preset that sets the key to another than the default."""
        values = {name: read_preset(name).get(self.name) for name in preset_names()}
        return {n: v for n, v in values.items() if v is not None and v != self.default}


def config_keys() -> Iterator[Key]:
    """Every key, in the order of the config."""
    config = Config()
    for part in dataclasses.fields(config):
        value = getattr(config, part.name)
        if not part.compare:
            continue
        if not dataclasses.is_dataclass(value):
            yield Key(section="", name=part.name, default=value, meaning=TOP[part.name])
            continue
        told = _meanings(type(value))
        for field in dataclasses.fields(value):
            yield Key(
                section=part.name,
                name=f"{part.name}.{field.name.replace('_', '-')}",
                default=getattr(value, field.name),
                meaning=_sentence(told[field.name]),
            )


def _meanings(section: type) -> dict[str, str]:
    """The comment of each field of a dataclass: the one behind it, or the lines above it."""
    lines = textwrap.dedent(inspect.getsource(section)).splitlines()
    tree = ast.parse("\n".join(lines)).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for node in tree.body:
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        behind = lines[(node.end_lineno or node.lineno) - 1][node.end_col_offset or 0 :]
        text = behind.partition("#")[2].strip()
        above = node.lineno - 2
        while not behind.strip() and above >= 0 and lines[above].strip().startswith("#"):
            text = f"{lines[above].strip().lstrip('#').strip()} {text}".strip()
            above -= 1
        found[node.target.id] = text
    return found


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") or not text else text + "."


def found_keys(name: str) -> list[Key]:
    """The key of a name, or all keys of a section.

    Raises:
        ConfigError: There is neither; names that are near are named.
    """
    keys = list(config_keys())
    if found := [key for key in keys if name in (key.name, key.section)]:
        return found
    if name in RENAMED:
        raise ConfigError(f"{name} was renamed to {RENAMED[name]}; ask for that")
    wanted, names = name.replace("_", "-"), [key.name for key in keys]
    last = wanted.rpartition(".")[2]
    near = [one for one in names if one.rpartition(".")[2] == last]
    near += difflib.get_close_matches(wanted, names, 3, cutoff=0.6)
    last_words = {one.rpartition(".")[2]: one for one in names}
    near += [last_words[one] for one in difflib.get_close_matches(last, last_words, 2)]
    told = ", ".join(list(dict.fromkeys(near))[:4])
    hint = f"did you mean {told}?" if told else "`fedrec keys` lists the keys there are"
    raise ConfigError(f"unknown key {name!r}; {hint}")


def explained(key: Key) -> Iterator[tuple[str, str]]:
    """Name and text of each thing to say of a key."""
    yield "meaning", key.meaning
    yield "type", key.kind
    yield "default", toml_value(key.default)
    if key.allowed:
        yield "allowed", key.allowed
    if key.presets:
        told = (f"{name} {toml_value(value)}" for name, value in key.presets.items())
        yield "presets", ", ".join(told)
    word = toml_value(key.default).strip('"') or "VALUE"
    yield "to set it", f"--set {key.name}={word}"
