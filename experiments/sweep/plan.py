"""Plan a sweep: the config of every run, checked before the first of them starts."""

import contextlib
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.settings import parse_sets, resolve
from experiments.sweep.axes import Axis
from experiments.sweep.cells import Cell, cells_of
from experiments.sweep.grid import Grid
from experiments.sweep.planned import FEDERATED, PlannedRun
from fedrec.config.config import Config
from fedrec.config.keys import config_hash
from fedrec.errors import ConfigError
from fedrec.factory.checks import check_fit
from fedrec.factory.fit_defaults import fit_defaults
from fedrec.factory.fit_defaults import log as fit_log
from server.run import checked_strategy

MAX_RUNS = 100


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Every run of a sweep.

    Attributes:
        grid: What is varied.
        fixed: Dotted keys that are the same in all runs.
        seeds: Number of seeds, from 0 on.
        cells: The configs, the first axis slowest.
        runs: Cell's folder -> its runs, by seed.
        lines: What the user did not say and is set all the same, a line each.
    """

    grid: Grid
    fixed: Mapping[str, Any]
    seeds: int
    cells: Sequence[Cell]
    runs: Mapping[str, Sequence[PlannedRun]]
    lines: Sequence[str]

    def in_order(self, cells: Sequence[Cell] | None = None) -> list[PlannedRun]:
        """The runs of some cells, or of all: seed by seed, so that every config has one early."""
        chosen = self.cells if cells is None else cells
        return [self.runs[cell.folder][seed] for seed in range(self.seeds) for cell in chosen]


def plan_sweep(
    grid: Grid,
    sets: Sequence[str],
    *,
    seeds: int,
    out: Path,
    max_runs: int = MAX_RUNS,
    trust: bool = False,
) -> Plan:
    """Make and check the config of every run.

    Args:
        grid: What is varied.
        sets: ``key=value`` texts, which win over the settings of the grid.
        seeds: Number of seeds, from 0 on.
        out: Folder of the sweep, absolute.
        max_runs: Number of runs that is not to be exceeded.
        trust: Import the modules that the config of a run's folder names, if any.

    Raises:
        ConfigError: An unknown key, a value out of range, two cells of one config, too many runs:
            a line for each.
        DataError: The data cannot be read.
        ResourceError: The data cannot be fetched.
    """
    fixed = dict(grid.settings) | parse_sets(sets)
    problems = [*_axis_problems(grid, fixed), *_size_problems(grid, seeds, max_runs)]
    if problems:
        raise ConfigError(*problems)
    cells, lines = cells_of(grid, fixed)
    configs = _for_each(
        cells, seeds, lambda cell, seed: _config(cell, fixed, seed, out, trust=trust)
    )
    with _each_line_once(fit_log, logging.getLogger("flwr")):
        configs = _for_each(cells, seeds, lambda cell, seed: _fitted(configs[cell.folder][seed]))
    if twins := _twins(cells, configs):
        raise ConfigError(*twins)
    runs = {
        cell.folder: [
            PlannedRun(Path(one.run.dir), FEDERATED, one, config_hash(one), one.federation.rounds)
            for one in configs[cell.folder]
        ]
        for cell in cells
    }
    return Plan(grid=grid, fixed=fixed, seeds=seeds, cells=cells, runs=runs, lines=lines)


def _for_each(
    cells: Sequence[Cell], seeds: int, make: Callable[[Cell, int], Config]
) -> dict[str, list[Config]]:
    """Make the config of every run; the problems of all of them are told at once.

    Raises:
        ConfigError: A line for each problem, with the cells that have it.
    """
    found: dict[str, list[str]] = {}
    configs: dict[str, list[Config]] = {cell.folder: [] for cell in cells}
    for seed in range(seeds):
        for cell in cells:
            try:
                configs[cell.folder].append(make(cell, seed))
            except ConfigError as error:
                for problem in error.problems:
                    found.setdefault(problem, []).append(cell.name)
        if found:
            raise ConfigError(*_told(found, len(cells)))
    return configs


def _axis_problems(grid: Grid, fixed: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the axes, whatever config they change."""
    if not grid.presets:
        yield f"the grid {grid.name} names no preset; name one with --preset"
    for axis in grid.axes:
        yield from _repeated(axis)
    for key, count in {key: grid.keys.count(key) for key in grid.keys}.items():
        if count > 1:
            yield f"{key} is varied by {count} axes of the grid; name it in one of them"
        if key in fixed and key not in grid.settings:
            yield f"--set {key} contradicts the grid, which varies it; leave one of them out"
        if key == "seed" or key.startswith("run."):
            how = "--seeds says how many seeds" if key == "seed" else "a sweep sets it by itself"
            yield f"{key} cannot be varied by a grid: {how}"
    if "seed" in fixed:
        yield "--set seed=... contradicts --seeds, which runs seeds 0, 1, ..."
    for key in grid.strata:
        if key not in grid.keys:
            yield f"--within {key} is none of the keys of the grid: {', '.join(grid.keys)}"


def _repeated(axis: Axis) -> Iterator[str]:
    names = [repr(dict(one)) for one in axis.changes]
    for place, name in enumerate(names):
        if name in names[:place]:
            yield f"the grid has {axis.name} = {axis.names[place]} twice; leave one of them out"


def _size_problems(grid: Grid, seeds: int, max_runs: int) -> Iterator[str]:
    if seeds < 1:
        yield f"--seeds must be 1 or more, got {seeds}"
        return
    sizes = {axis.name: len(axis.names) for axis in grid.axes}
    sizes |= {"presets": len(grid.presets), "seeds": seeds}
    if (runs := math.prod(sizes.values())) > max_runs:
        product = " x ".join(f"{size} {name}" for name, size in sizes.items() if size > 1)
        yield (
            f"the grid has {runs:,} runs ({product}), more than --max-runs {max_runs:,}; take "
            "fewer values, or raise it"
        )


def _config(cell: Cell, fixed: Mapping[str, Any], seed: int, out: Path, *, trust: bool) -> Config:
    """The config of one run, as it is written.

    Raises:
        ConfigError: An unknown key, a wrong type, a value out of range.
    """
    own = {
        "seed": seed,
        "run.dir": str(out / f"{cell.folder}-seed{seed}"),
        "run.resume": True,
        "run.name": "",
    }
    return resolve(cell.preset, (), dict(fixed) | dict(cell.changes) | own, trust=trust)


def _fitted(config: Config) -> Config:
    """The config with defaults that the data can meet, checked against data and machine.

    Raises:
        FedrecError: It cannot be run.
    """
    config = fit_defaults(config)
    checked_strategy(config)
    check_fit(config)
    return config


def _told(found: Mapping[str, Sequence[str]], cells: int) -> list[str]:
    """Each problem in a line, with the cells that have it where that is not all of them."""
    told = []
    for problem, names in found.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        told.append(problem if len(names) == cells else f"{problem} (in {names[0]}{more})")
    return told


def _twins(cells: Sequence[Cell], configs: Mapping[str, Sequence[Config]]) -> list[str]:
    """Cells that are one config: it would be run and counted twice."""
    first: dict[str, Cell] = {}
    told = []
    for cell in cells:
        twin = first.setdefault(config_hash(configs[cell.folder][0]), cell)
        if twin is not cell:
            told.append(
                f"{cell.name} is the same config as {twin.name}; leave one of them out of the grid"
            )
    return told


@contextlib.contextmanager
def _each_line_once(*loggers: logging.Logger) -> Iterator[None]:
    """Let loggers say each of their lines once, not for every run."""
    said: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        line = record.getMessage()
        is_new = line not in said
        said.add(line)
        return is_new

    for logger in loggers:
        logger.addFilter(is_new)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_new)
