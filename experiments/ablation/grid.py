"""The grid of `fedrec ablate`: which runs it holds, and in which folder each one lies."""

import dataclasses
import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.references.references import central_config, reference_config
from fedrec.config.choices import names_in
from fedrec.config.config import Config
from fedrec.config.keys import config_hash, flat_tables, read_config
from fedrec.config.sections.model import Model
from fedrec.config.sections.semantics import Semantics
from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError
from fedrec.factory.table import needs_table
from fedrec.semantics.texts import describe_items

FILE = Path(__file__).parent.parent / "grids" / "ablation.toml"
FEDERATED, CENTRAL = "federated", "central"
PRESET = "preset"  # name of the cell that changes nothing, where a group lists none


@dataclass(frozen=True)
class Cell:
    """One run of a group, for each seed, and what it is compared with.

    Attributes:
        name: within the group.
        kind: "federated", or of which kind the reference is.
        changes: dotted keys that differ from the preset.
        against: name of the cell it is compared with; empty for the baseline of the group.
        folder: of its runs in the folder of the ablation, without "-seed0"; cells that compute the
            same have one folder, and the changes of the first of them.
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
        seeds: that it runs at least.
    """

    name: str
    about: str
    baseline: str
    cells: tuple[Cell, ...]
    seeds: int = 1


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
            tuple(c for name, values in table["cells"].items() for c in _cells(name, values, kind)),
            table.get("seeds", 1),
        )
        for name, table in tables.items()
    ]


def _cells(name: str, values: dict[str, Any], kind: str) -> Iterator[Cell]:
    """A cell, once for each other that it is compared with."""
    changes = flat_tables(values)
    against, kind = changes.pop("against", ""), changes.pop("reference", kind)
    for one in [against] if isinstance(against, str) else against:
        yield Cell(name, kind, changes, one)


def placed_grid(base: Config, kind: str, catalog: Catalog | None = None) -> list[Group]:
    """The whole grid relative to a config: every cell with its folder and its baseline.

    A folder is named after the first cell of its kind in the whole grid, so that it is found
    again whichever groups are asked for.

    Args:
        base: the preset with the user's settings.
        kind: "federated" or "central".
        catalog: tells which fields of the text say the same; without it, all are told apart.
    """
    texts = _Texts(catalog)
    own = Cell(PRESET, kind, {}, folder=PRESET)
    owners = {_identity(base, own, texts): own}
    groups = []
    for group in read_grid(kind):
        cells, baseline = [], group.baseline
        for cell in group.cells:
            try:
                cell = dataclasses.replace(cell, changes=_with_views(base, cell.changes))
                identity = _identity(base, cell, texts)
            except ConfigError as error:
                refused = " ".join(str(error).split())
                cells.append(dataclasses.replace(cell, folder=_slug(group, cell), refused=refused))
                continue
            named = dataclasses.replace(cell, folder=_slug(group, cell))
            owner = owners.setdefault(identity, named)
            baseline = baseline or (cell.name if owner is own else "")
            cells.append(dataclasses.replace(owner, name=cell.name, against=cell.against))
        if not baseline:
            cells.insert(0, own)
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


def _with_views(base: Config, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes with "+view" and "-view" in place of the views that they mean.

    Raises:
        ConfigError: the preset has no other view.
    """
    word = str(changes.get("model.views", ""))
    if word[:1] not in ("+", "-"):
        return changes
    sign, view = word[:1], word[1:]
    views = [name for name in names_in(base.model.views) if sign == "+" or name != view]
    if sign == "+" and view not in views:
        views.append(view)
    if not views:
        raise ConfigError(f"model.views has nothing but {view!r}, so that nothing is left without")
    return changes | {"model.views": ",".join(views)}


class _Texts:
    """What fields of a catalogue say: equal for those that say the same of every item."""

    def __init__(self, catalog: Catalog | None) -> None:
        self._catalog = catalog
        self._known: dict[str, str] = {}

    def said(self, fields: str) -> str:
        """A text that stands for what the fields say.

        Raises:
            ConfigError: the catalogue does not have them.
        """
        if self._catalog is None:
            return fields
        if fields not in self._known:
            texts = describe_items(self._catalog, names_in(fields)).texts
            self._known[fields] = hashlib.sha256(json.dumps(texts).encode()).hexdigest()
        return self._known[fields]


def _identity(base: Config, cell: Cell, texts: _Texts) -> tuple[str, str]:
    """Equal for cells that compute the same: settings that nothing reads are left out."""
    config = run_config(base, cell)
    model, semantics = config.model, Semantics()
    views = names_in(model.views)
    if "identity" not in views:
        model = dataclasses.replace(model, identity_start="random")
    if views == ("identity",):
        model = dataclasses.replace(model, identity_dropout=0.0)
    if not model.smooths:
        nothing = Model()
        model = dataclasses.replace(
            model, neighbours=nothing.neighbours, neighbour_events=nothing.neighbour_events
        )
    if needs_table(config):
        said = texts.said(config.semantics.fields)
        semantics = dataclasses.replace(config.semantics, fields=said)
    return cell.kind, config_hash(dataclasses.replace(config, model=model, semantics=semantics))


def run_config(base: Config, cell: Cell, seed: int | None = None, folder: Path = Path()) -> Config:
    """The config of one run of a cell, as its folder keeps it.

    Raises:
        ConfigError: the cell's changes do not go with the preset.
    """
    config = cell_config(base, cell, base.seed if seed is None else seed, folder)
    return config if cell.kind == FEDERATED else reference_config(cell.kind, config, folder)


def cell_config(base: Config, cell: Cell, seed: int, folder: Path) -> Config:
    """The config of a federation, or that a reference is made from.

    What does not go with a federation of users may go with one place that holds all data.

    Raises:
        ConfigError: the cell's changes do not go with the preset.
    """
    start = base if cell.kind == FEDERATED else central_config(base, folder)
    return read_config(cell.changes | {"seed": seed, "run.dir": str(folder)}, start)


def chosen_groups(groups: Sequence[Group], only: Iterable[str]) -> list[Group]:
    """The groups of some names, in the order of the grid; all of them where none is named.

    Raises:
        ConfigError: there is no such group; the nearest is named. Or only blanks are given.
    """
    given = list(only)
    wanted = [part.strip() for word in given for part in word.split(",") if part.strip()]
    names = [group.name for group in groups]
    if given and not wanted:
        raise ConfigError(f"--only names no group; groups are {', '.join(names)}")
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(f"unknown group {name!r}; {hint}groups are {', '.join(names)}")
    return [group for group in groups if not wanted or group.name in wanted]
