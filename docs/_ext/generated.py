"""Reference pages that are written from the code whenever the documentation is built.

A page names what it wants in a line of its own, ``<!-- generated: config keys -->``; the line is
replaced by MyST text before the page is read.
"""

import inspect
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import typer

from experiments.cli.main import app as commands
from experiments.housekeeping.explain import config_keys
from experiments.presets import about_preset, preset_names
from experiments.sweep.cells import cells_of
from experiments.sweep.grid import grid_names, grid_of
from fedrec.config.config import Config
from fedrec.config.keys import flatten, toml_value

ROOT = Path(__file__).parent.parent.parent


def config_page() -> str:
    """Every key with its type, default, range and meaning."""
    lines: list[str] = []
    last: str | None = None
    for key in config_keys():
        if key.section != last:
            title = f"`{key.section}`" if key.section else "The run as a whole"
            lines += ["", f"## {title}", ""]
            if key.section:
                about = inspect.getdoc(type(getattr(Config(), key.section))) or ""
                lines += [about.strip(), ""]
            last = key.section
        lines += [
            f"````{{confval}} {key.name}",
            f":type: {key.kind}",
            f":default: `{toml_value(key.default)}`",
            "",
            key.meaning,
            *(["", f"Allowed: {key.allowed}."] if key.allowed else []),
            "````",
            "",
        ]
    return "\n".join(lines)


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
