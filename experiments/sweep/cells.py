"""The cells of a grid: every combination of its axes, with the folder of its runs."""

import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.presets import read_preset
from experiments.sweep.axes import CASES, Axis
from experiments.sweep.grid import Grid
from experiments.sweep.strategy_options import with_options

LONGEST = 80  # characters of a folder's name, before its hash


@dataclass(frozen=True)
class Cell:
    """One config of a sweep, for each seed.

    Attributes:
        name: What tells it from the others.
        preset: Preset or TOML file that it changes.
        changes: Dotted keys that it sets.
        folder: Name of the folders of its runs, without "-seed0".
    """

    name: str
    preset: str
    changes: Mapping[str, Any]
    folder: str


def cells_of(grid: Grid, fixed: Mapping[str, Any]) -> tuple[list[Cell], list[str]]:
    """Every cell of a grid, the first axis slowest, preset by preset; and lines about options.

    Args:
        grid: What is varied.
        fixed: Dotted keys that are the same in all cells.
    """
    cells, lines = [], []
    for preset in grid.presets:
        values = read_preset(preset)
        several = [Path(preset).stem] * (len(grid.presets) > 1)
        for places in itertools.product(*(range(len(axis.names)) for axis in grid.axes)):
            chosen = list(zip(grid.axes, places, strict=True))
            changes: dict[str, Any] = {}
            for axis, place in chosen:
                changes |= axis.changes[place]
            changes, line = with_options(changes, fixed, values)
            lines += [line] if line else []
            name = ", ".join([*several, *(_named(axis, place) for axis, place in chosen)])
            words = [*several, *(_word(axis, place) for axis, place in chosen)]
            cells.append(Cell(name, preset, changes, _slug("-".join(words))))
    return _distinct(cells), list(dict.fromkeys(lines))


def _named(axis: Axis, place: int) -> str:
    name = axis.names[place]
    return name if axis.name == CASES else f"{axis.name}={name or repr('')}"


def _word(axis: Axis, place: int) -> str:
    """A value in the name of a folder, with what it is a value of."""
    if axis.name == CASES:
        return axis.names[place]
    section, _, last = axis.name.rpartition(".")
    return f"{section if last == 'name' else last}-{axis.names[place]}"


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+_-]+", "-", text).strip("-.")


def _distinct(cells: Sequence[Cell]) -> list[Cell]:
    """The cells with folders of their own, also where letters do not tell small from large."""
    counts = Counter(cell.folder.lower() for cell in cells)
    return [
        replace(cell, folder=f"{cell.folder[:LONGEST]}-{_hash(cell)}")
        if counts[cell.folder.lower()] > 1 or len(cell.folder) > LONGEST
        else cell
        for cell in cells
    ]


def _hash(cell: Cell) -> str:
    content = json.dumps([cell.preset, dict(cell.changes)], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:8]
