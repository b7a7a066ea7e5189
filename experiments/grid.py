"""The grid of `fedrec ablate`: which runs it holds, and in which folder each one lies."""

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.references import reference_config
from fedrec.config import Config
from fedrec.config_keys import config_hash, flat_tables, read_config
from fedrec.errors import ConfigError

FILE = Path(__file__).parent / "grids" / "ablation.toml"
FEDERATED, CENTRAL = "federated", "central"
PRESET = "preset"  # name of the cell that changes nothing, where a group lists none


@dataclass(frozen=True)
class Cell:
    """One run of a group, for each seed.

    Attributes:
        name: within the group.
        kind: "federated", or of which kind the reference is.
        changes: dotted keys that differ from the preset.
        against: name of the cell it is compared with; empty for the baseline of the group.
        folder: of its runs in the folder of the ablation, without "-seed0"; cells of one config
            have one folder.
        refused: why its config cannot be, in one line; empty where it can.
    """

    name: str
    kind: str
    changes: dict[str, Any]
    against: str = ""
    folder: str = ""
    refused: str = ""


@dataclass(frozen=True)
class Group:
    """Cells that answer one question.

    Attributes:
        name: as --only takes it.
        about: the question.
        baseline: the cell that the others are compared with, unless they name another.
        cells: in the order of the table.
    """

    name: str
    about: str
    baseline: str
    cells: tuple[Cell, ...]


def read_grid(kind: str) -> list[Group]:
    """The groups of the grid as its file has them.

    Args:
        kind: of the cells that are no references: "federated" or "central".
    """
    tables = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return [
        Group(
            name,
            table["about"],
            table.get("baseline", ""),
            tuple(_cell(cell, values, kind) for cell, values in table["cells"].items()),
        )
        for name, table in tables.items()
    ]


def _cell(name: str, values: dict[str, Any], kind: str) -> Cell:
    changes = flat_tables(values)
    against, kind = changes.pop("against", ""), changes.pop("reference", kind)
    return Cell(name, kind, changes, against)


def placed_grid(base: Config, kind: str) -> list[Group]:
    """The whole grid relative to a config: every cell with its folder and its baseline.

    A folder is named after the first cell of its config in the whole grid, so that it is found
    again whichever groups are asked for.

    Args:
        base: the preset with the user's settings.
        kind: "federated" or "central".
    """
    own = _identity(base, Cell(PRESET, kind, {}))
    folders: dict[tuple[str, str], str] = {own: PRESET}
    groups = []
    for group in read_grid(kind):
        cells, baseline = [], group.baseline
        for cell in group.cells:
            try:
                identity = _identity(base, cell)
            except ConfigError as error:
                refused = " ".join(str(error).split())
                cells.append(dataclasses.replace(cell, folder=_slug(group, cell), refused=refused))
                continue
            folder = folders.setdefault(identity, _slug(group, cell))
            baseline = baseline or (cell.name if folder == PRESET else "")
            cells.append(dataclasses.replace(cell, folder=folder))
        if not baseline:
            cells.insert(0, Cell(PRESET, kind, {}, folder=PRESET))
        groups.append(_compared(dataclasses.replace(group, cells=tuple(cells)), baseline or PRESET))
    return groups


def _compared(group: Group, baseline: str) -> Group:
    """The group with the cell that each of its cells is compared with."""
    cells = tuple(
        dataclasses.replace(cell, against="" if cell.name == baseline else cell.against or baseline)
        for cell in group.cells
    )
    return dataclasses.replace(group, baseline=baseline, cells=cells)


def _slug(group: Group, cell: Cell) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", f"{group.name} {cell.name}".lower()).strip("-")


def _identity(base: Config, cell: Cell) -> tuple[str, str]:
    """Equal for cells that compute the same."""
    return cell.kind, config_hash(run_config(base, cell))


def run_config(base: Config, cell: Cell, seed: int | None = None, folder: Path = Path()) -> Config:
    """The config of one run of a cell, as its folder keeps it.

    Raises:
        ConfigError: the cell's changes do not go with the preset.
    """
    config = cell_config(base, cell, base.seed if seed is None else seed, folder)
    return config if cell.kind == FEDERATED else reference_config(cell.kind, config, folder)


def cell_config(base: Config, cell: Cell, seed: int, folder: Path) -> Config:
    """The config of a federation, or that a reference is made from.

    Raises:
        ConfigError: the cell's changes do not go with the preset.
    """
    return read_config(cell.changes | {"seed": seed, "run.dir": str(folder)}, base)


def chosen_groups(groups: Sequence[Group], only: Iterable[str]) -> list[Group]:
    """The groups of some names, in the order of the grid; all of them where none is named.

    Raises:
        ConfigError: there is no such group; the nearest is named.
    """
    wanted = [part.strip() for word in only for part in word.split(",") if part.strip()]
    names = [group.name for group in groups]
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(f"unknown group {name!r}; {hint}groups are {', '.join(names)}")
    return [group for group in groups if not wanted or group.name in wanted]
