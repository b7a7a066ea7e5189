"""A benchmark: the rows of a table, how each is made, and the figures that are expected of it."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.baselines.run import check_kind
from experiments.presets import read_tables
from experiments.sweep.planned import FEDERATED
from fedrec.baselines.names import BASELINES
from fedrec.config.keys import flat_tables
from fedrec.errors import ConfigError
from fedrec.report.leaderboard.entries import SHOWN

FOLDER = Path(__file__).parent / "suites"
TOLERANCE = 0.03  # share of an expected figure, where a row says no other
SEEDS = 3
_SUITE = ("about", "source", "get", "seeds", "set", "rows")
_ROW = ("about", "kind", "preset", "set", "seeds", "expected", "published")


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Figures that somebody has measured.

    Attributes:
        values: Metric -> figure.
        tolerance: Share of it by which another run may differ.
        by: Where they stand, and what they were made with.
    """

    values: Mapping[str, float]
    tolerance: float
    by: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a table.

    Attributes:
        name: What ``--row`` calls it, and its folders.
        about: What the table calls it.
        kind: "federated", or the kind of a baseline.
        preset: Preset that it changes; the defaults if empty.
        changes: Dotted keys that it sets.
        seeds: Number of its seeds.
        expected: Figures of earlier runs; None where nobody has measured it.
        published: Figures that others have published; None where there are none.
    """

    name: str
    about: str
    kind: str
    preset: str
    changes: Mapping[str, Any]
    seeds: int
    expected: Figures | None
    published: Figures | None

    @property
    def is_trained(self) -> bool:
        """Whether another seed gives another model."""
        return self.kind not in BASELINES


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A benchmark.

    Attributes:
        name: Name of its file.
        about: Title of its table.
        source: ``data.source`` of all rows; "" where only the user can name the data.
        get: How to come by the data.
        rows: Its rows, by name.
    """

    name: str
    about: str
    source: str
    get: str
    rows: Mapping[str, Row]


def suite_names() -> list[str]:
    """The benchmarks there are, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read_suite(name: str) -> Suite:
    """Read a benchmark of ours, or a file of the user's.

    Raises:
        ConfigError: No such benchmark, or a file that is none; a line for each problem.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not name.endswith(".toml") and name not in suite_names():
        near = difflib.get_close_matches(name, suite_names(), 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(
            f"unknown benchmark {name!r}; {hint}benchmarks are {', '.join(suite_names())}, and a "
            "file of yours ends in .toml"
        )
    tables = read_tables(path)
    if problems := list(_problems(path, tables)):
        raise ConfigError(*problems)
    shared = flat_tables(tables.get("set", {}))
    seeds = tables.get("seeds", SEEDS)
    return Suite(
        name=path.stem,
        about=tables["about"],
        source=tables.get("source", ""),
        get=tables["get"],
        rows={key: _row(key, row, shared, seeds) for key, row in tables["rows"].items()},
    )


def chosen_rows(suite: Suite, names: Sequence[str]) -> list[Row]:
    """The rows of some names, in the order of the table; all of them where none is named.

    Raises:
        ConfigError: No such row.
    """
    for name in names:
        if name not in suite.rows:
            raise ConfigError(
                f"--row {name} is no row of the benchmark {suite.name}: {', '.join(suite.rows)}"
            )
    return [row for name, row in suite.rows.items() if name in names or not names]


def _row(name: str, tables: Mapping[str, Any], shared: Mapping[str, Any], seeds: int) -> Row:
    kind = tables.get("kind", FEDERATED)
    return Row(
        name=name,
        about=tables["about"],
        kind=kind,
        preset=tables.get("preset", ""),
        changes=dict(shared) | flat_tables(tables.get("set", {})),
        seeds=tables.get("seeds", 1 if kind in BASELINES else seeds),
        expected=_figures(tables.get("expected")),
        published=_figures(tables.get("published")),
    )


def _figures(table: Mapping[str, Any] | None) -> Figures | None:
    if table is None:
        return None
    values = {metric: float(table[metric]) for metric in SHOWN if metric in table}
    return Figures(values=values, tolerance=table.get("tolerance", TOLERANCE), by=table["by"])


def _problems(path: Path, tables: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a file, a line each."""
    yield from _unknown(str(path), tables, _SUITE)
    for name in ("about", "get"):
        if not isinstance(tables.get(name), str):
            yield f"{path}: {name} must be a text, got {tables.get(name)!r}"
    rows = tables.get("rows")
    if not isinstance(rows, dict) or not rows:
        yield f"{path}: rows must be a table of rows, got {rows!r}"
        return
    for name, row in rows.items():
        yield from _row_problems(f"{path}: rows.{name}", row)


def _row_problems(where: str, row: Any) -> Iterator[str]:
    if not isinstance(row, dict):
        yield f"{where} must be a table, got {row!r}"
        return
    yield from _unknown(where, row, _ROW)
    if not isinstance(row.get("about"), str):
        yield f"{where}.about must be a text, got {row.get('about')!r}"
    try:
        if (kind := row.get("kind", FEDERATED)) != FEDERATED:
            check_kind(kind)
    except ConfigError as error:
        yield f"{where}.kind: {error}"
    for name in ("expected", "published"):
        if name in row:
            yield from _figure_problems(f"{where}.{name}", row[name])


def _figure_problems(where: str, table: Any) -> Iterator[str]:
    if not isinstance(table, dict) or not isinstance(table.get("by"), str):
        yield f"{where} must be a table of figures with `by`, which says who measured them"
        return
    yield from _unknown(where, table, (*SHOWN, "tolerance", "by"))
    for name, value in table.items():
        is_number = isinstance(value, float | int) and not isinstance(value, bool)
        if name != "by" and not (is_number and 0 < value < 1):
            yield f"{where}.{name} must be a number between 0 and 1, got {value!r}"


def _unknown(where: str, table: Mapping[str, Any], known: Sequence[str]) -> Iterator[str]:
    for name in table:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield f"{where}: {name!r} is none of {', '.join(known)}{hint}"
