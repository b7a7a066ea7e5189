"""Reference pages that are written from the code whenever the documentation is built.

A page names what it wants in a line of its own, ``<!-- generated: config keys -->``; the line is
replaced by MyST text before the page is read.
"""

import ast
import dataclasses
import inspect
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import typer

from experiments.cli.main import app as commands
from experiments.presets import about_preset, preset_names
from experiments.sweep.cells import cells_of
from experiments.sweep.grid import grid_names, grid_of
from fedrec.config.config import Config
from fedrec.config.keys import flatten, read_config
from fedrec.data.readers.detect import FORMATS
from fedrec.errors import ConfigError
from server.aggregation.strategies import STRATEGIES

ROOT = Path(__file__).parent.parent.parent
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
    "strategy.name": ", ".join(STRATEGIES) + ', or `"package.module:Class"`',
}
TOP = {
    "seed": "Seed of the run; every random stream is derived from it.",
    "device": "Where torch computes; `auto` takes a GPU if there is one.",
}


def allowed(key: str, kind: type) -> str:
    """What a value must be, in the words of the message that refuses another one."""
    if key in LOOKED_UP:
        return "one of " + LOOKED_UP[key]
    for probe in PROBES[kind]:
        try:
            read_config({key: probe})
        except ConfigError as error:
            found = re.search(rf"(?ms)\b{re.escape(key)} must be (.+?), got ", str(error))
            if found:
                return " ".join(found[1].split())
    return ""


def meanings(section: type) -> dict[str, str]:
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


def config_keys() -> Iterator[tuple[str, str, type, Any, str]]:
    """Section, key, type, default and meaning of every key, in the order of the config."""
    config = Config()
    for part in dataclasses.fields(config):
        value = getattr(config, part.name)
        if not part.compare:
            continue
        if not dataclasses.is_dataclass(value):
            yield "", part.name, type(value), value, TOP[part.name]
            continue
        told = meanings(type(value))
        for field in dataclasses.fields(value):
            default = getattr(value, field.name)
            key = f"{part.name}.{field.name.replace('_', '-')}"
            yield part.name, key, type(default), default, told[field.name]


def config_page() -> str:
    """Every key with its type, default, range and meaning."""
    lines: list[str] = []
    last: str | None = None
    for section, key, kind, default, meaning in config_keys():
        if section != last:
            lines += ["", f"## {f'`{section}`' if section else 'The run as a whole'}", ""]
            if section:
                lines += [(inspect.getdoc(type(getattr(Config(), section))) or "").strip(), ""]
            last = section
        shown = {True: "true", False: "false"}.get(default) if kind is bool else repr(default)
        shown = '""' if default == "" else str(shown).replace("'", '"')
        must = allowed(key, kind)
        lines += [
            f"````{{confval}} {key}",
            f":type: {TYPES[kind]}",
            f":default: `{shown}`",
            "",
            _sentence(meaning),
            *(["", f"Allowed: {must}."] if must else []),
            "````",
            "",
        ]
    return "\n".join(lines)


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") or not text else text + "."


def command_tree() -> dict[str, click.Command]:
    """Every visible command by the words that call it: "data get"."""
    root = typer.main.get_command(commands)
    assert isinstance(root, click.Group)
    return dict(_walk(root, ""))


def _walk(group: click.Group, before: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if isinstance(command, click.Group):
            yield from _walk(command, f"{before}{name} ")
        else:
            yield before + name, command


def commands_page() -> str:
    """Every command with its arguments and options."""
    lines: list[str] = []
    for name, command in command_tree().items():
        shown = [param for param in command.params if not getattr(param, "hidden", False)]
        arguments = [param for param in shown if isinstance(param, click.Argument)]
        options = [param for param in shown if isinstance(param, click.Option)]
        usage = " ".join(["fedrec", name, *(_metavar(a) for a in arguments)])
        lines += [f"## `fedrec {name}`", "", (command.help or "").strip(), ""]
        lines += ["```text", usage + (" [OPTIONS]" if options else ""), "```", ""]
        for argument in arguments:
            about = getattr(argument, "help", None)
            if about:
                lines += [f"`{_metavar(argument)}`", f": {about}", ""]
        for option in options:
            value = "" if option.is_flag else f" {_metavar(option)}"
            default = option.default
            more = f" Default: `{default}`." if _is_shown(default) else ""
            about = (option.help or "").rstrip(".")
            about = f"Sets `{about}`" if about in flatten(Config()) else about
            names = ", ".join(f"`{one}{value}`" for one in option.opts)
            lines += [names, f": {about}.{more}", ""]
    return "\n".join(lines)


def _is_shown(default: Any) -> bool:
    return isinstance(default, (str, int)) and not isinstance(default, bool) and default != ""


def _metavar(param: click.Parameter) -> str:
    if param.metavar:
        return param.metavar
    name = (param.name or "").upper().replace("_", "-")
    if isinstance(param, click.Option):
        return {"integer": "N", "float": "X"}.get(param.type.name, "TEXT")
    return name


def presets_page() -> str:
    """The presets with their first lines."""
    rows = [f"| `{name}` | {about_preset(name)} |" for name in preset_names()]
    return "\n".join(["| preset | what it is |", "|---|---|", *rows])


def grid() -> dict[str, Any]:
    """The groups of the ablation grid as its file writes them."""
    text = (ROOT / "experiments" / "grids" / "ablation.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def groups_page() -> str:
    """The groups of the ablation grid with what each one asks."""
    rows = [f"| `{name}` | {group['about']} |" for name, group in grid().items()]
    return "\n".join(["| group | what it compares |", "|---|---|", *rows])


def sweeps_page() -> str:
    """The grids of `fedrec sweep` with what each one asks, and how many runs it is."""
    rows = []
    for name in grid_names():
        found = grid_of(name, (), ())
        runs = len(cells_of(found, {})[0]) * found.seeds
        rows.append(f"| `{name}` | {found.about} | {runs} |")
    return "\n".join(["| grid | what it compares | runs |", "|---|---|---|", *rows])


PAGES: dict[str, Callable[[], str]] = {
    "config keys": config_page,
    "commands": commands_page,
    "presets": presets_page,
    "ablation groups": groups_page,
    "sweep grids": sweeps_page,
}
MARK = re.compile(r"<!-- generated: ([a-z ]+) -->")


def fill(text: str) -> str:
    """The text of a page with its marked lines replaced."""
    return MARK.sub(lambda match: PAGES[match[1]](), text)


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}


def _read(app: Any, docname: str, source: list[str]) -> None:
    if MARK.search(source[0]):
        app.env.note_dependency(Path(__file__))
        source[0] = fill(source[0])
