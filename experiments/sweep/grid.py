"""The grid of `fedrec sweep`: a file of ours or of the user's, or a preset with --grid."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.presets import preset_names, read_tables
from experiments.sweep.axes import CASES, Axis, cases_axis, key_axis
from fedrec.config.keys import flat_tables
from fedrec.errors import ConfigError

FOLDER = Path(__file__).parent.parent / "grids"
_KINDS: dict[str, tuple[type, str]] = {
    "about": (str, "a text"),
    "presets": (list, "a list of presets"),
    "seeds": (int, "a whole number"),
    "within": (list, "a list of keys of the grid"),
    "set": (dict, "a table of keys"),
    "grid": (dict, "a table of keys with lists of values"),
    CASES: (dict, "a table of cases"),
}


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What a sweep varies.

    Attributes:
        name: What its folder is called after.
        about: What it asks, in a line.
        presets: Presets or TOML files, each with all of the grid.
        settings: Dotted keys that are the same in all runs.
        axes: What is varied; the first axis is what is compared.
        seeds: Number of seeds, from 0 on.
        within: Keys within whose values configs are compared; None for all axes but the first.
    """

    name: str
    about: str = ""
    presets: tuple[str, ...] = ()
    settings: Mapping[str, Any]
    axes: tuple[Axis, ...]
    seeds: int = 1
    within: tuple[str, ...] | None = None

    @property
    def keys(self) -> list[str]:
        """Dotted keys that it varies."""
        return [key for axis in self.axes for key in axis.keys]

    @property
    def strata(self) -> tuple[str, ...]:
        """Keys within whose values configs are compared."""
        if self.within is not None:
            return self.within
        return tuple(key for axis in self.axes[1:] for key in axis.keys)


def grid_names() -> list[str]:
    """The grids there are, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml") if _is_grid(read_tables(path)))


def _is_grid(tables: Mapping[str, Any]) -> bool:
    return "grid" in tables or CASES in tables


def grid_of(source: str | None, axes: Sequence[Axis], presets: Sequence[str]) -> Grid:
    """The grid that a command names.

    Args:
        source: Name of a grid, file of a grid, preset or run config.
        axes: Further axes; one of the grid's own is replaced by that of its name.
        presets: Presets in place of the grid's own; further ones where ``source`` is a preset.

    Raises:
        ConfigError: No such grid, a file that is none, or nothing is varied.
    """
    if source is None:
        raise ConfigError(f"name a grid ({', '.join(grid_names())}), GRID.toml, or a preset")
    path = _file(source)
    tables = read_tables(path) if path is not None and path.suffix == ".toml" else {}
    if path is not None and _is_grid(tables):
        grid = _from_tables(path, tables)
        grid = replace(grid, presets=tuple(dict.fromkeys(presets)) or grid.presets)
    else:
        _refuse_ablation(source)
        grid = Grid(name="", presets=tuple(dict.fromkeys([source, *presets])), settings={}, axes=())
    own = {axis.name: axis for axis in grid.axes} | {axis.name: axis for axis in axes}
    grid = replace(grid, axes=tuple(own.values()))
    if not grid.axes:
        raise ConfigError(
            f"{source} is no grid, so --grid must say what is varied: --grid key=value,value"
        )
    return grid


def _file(source: str) -> Path | None:
    """The file of a grid or run config; None for the name of a preset."""
    if source in preset_names():
        return None
    if (FOLDER / f"{source}.toml").is_file() and "/" not in source:
        return FOLDER / f"{source}.toml"
    return Path(source) if source.endswith(".toml") else None


def _refuse_ablation(source: str) -> None:
    if source == "ablation":
        raise ConfigError("the grid ablation is that of `fedrec ablate PRESET`")
    near = difflib.get_close_matches(source, grid_names(), 1)
    if source not in preset_names() and not source.endswith(".toml") and near:
        raise ConfigError(f"unknown grid {source!r}; did you mean {near[0]!r}?")


def _from_tables(path: Path, tables: Mapping[str, Any]) -> Grid:
    """The grid of a file.

    Raises:
        ConfigError: A name that it does not have, or a value of another type; a line for each.
    """
    problems = list(_problems(path, tables))
    varied = flat_tables(tables.get("grid", {}))
    problems += [
        f"{path}: grid.{key} must be a list of one value or more, got {values!r}"
        for key, values in varied.items()
        if not isinstance(values, list) or not values
    ]
    if problems:
        raise ConfigError(*problems)
    cases = tables.get(CASES)
    axes = [cases_axis(cases, str(path))] if cases else []
    axes += [key_axis(key, values) for key, values in varied.items()]
    within = tables.get("within")
    return Grid(
        name=path.stem,
        about=tables.get("about", ""),
        presets=tuple(tables.get("presets", ())),
        settings=flat_tables(tables.get("set", {})),
        axes=tuple(axes),
        seeds=tables.get("seeds", 1),
        within=None if within is None else tuple(within),
    )


def _problems(path: Path, tables: Mapping[str, Any]) -> list[str]:
    found = []
    for name, value in tables.items():
        if name not in _KINDS:
            near = difflib.get_close_matches(name, _KINDS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            found.append(f"{path}: {name!r} is none of {', '.join(_KINDS)}{hint}")
            continue
        kind, words = _KINDS[name]
        is_texts = kind is not list or all(isinstance(one, str) for one in value)
        if type(value) is not kind or not is_texts:
            found.append(f"{path}: {name} must be {words}, got {value!r}")
    return found
