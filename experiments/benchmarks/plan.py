"""The runs of a benchmark, each checked before the first of them is made."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.baselines.run import baseline_config, check_baseline
from experiments.benchmarks.suite import Row, Suite
from experiments.settings import parse_sets, resolve
from experiments.sweep.planned import CENTRALISED, FEDERATED, PlannedRun
from fedrec.baselines.names import BASELINES
from fedrec.config.config import Config
from fedrec.config.keys import EXECUTION_KEYS, config_hash
from fedrec.config.values.choices import AMAZON, MOVIELENS
from fedrec.data.preparation.sources import downloaded, placed
from fedrec.errors import ConfigError, ResourceError
from fedrec.factory.checks import check_fit
from fedrec.factory.fit_defaults import fit_defaults
from fedrec.files.home import home
from server.run import checked_strategy

Planned = Mapping[str, Sequence[PlannedRun]]  # name of a row -> its runs, by seed
_NO_OTHER_TABLE = (*EXECUTION_KEYS, "local.kernel")  # what may be set and leaves the table the same


def plan_benchmark(
    suite: Suite,
    rows: Sequence[Row],
    *,
    out: Path,
    data: str = "",
    sets: Sequence[str] = (),
    seeds: int | None = None,
) -> Planned:
    """Make and check the config of every run.

    Args:
        suite: The benchmark.
        rows: Rows of it.
        out: Folder of all runs, absolute.
        data: ``data.source`` in place of the benchmark's own.
        sets: Further ``key=value`` settings, which win over those of the rows.
        seeds: Number of seeds of what is trained, from 0 on, in place of the rows' own.

    Raises:
        ConfigError: An unknown key, or a value out of range.
        DataError: The data cannot be read.
        ResourceError: They are not there; says how to come by them.
    """
    if seeds is not None and seeds < 1:
        raise ConfigError(f"--seeds must be 1 or more, got {seeds}")
    given = parse_sets(sets)
    for key in ("seed", "data.source"):
        if key in given:
            option = "--seeds" if key == "seed" else "--data"
            raise ConfigError(f"--set {key}=... is what {option} is for; leave it out")
    more = given | {"data.source": data or _own_source(suite)}
    return {row.name: _runs(row, more, _seeds(row, seeds), out) for row in rows}


def other_settings(sets: Sequence[str]) -> list[str]:
    """Keys set by a user that make other figures than the table's."""
    return [key for key in parse_sets(sets) if key not in _NO_OTHER_TABLE]


def _own_source(suite: Suite) -> str:
    """The benchmark's ``data.source``, whose data are there.

    Raises:
        ResourceError: They are not; says how to come by them.
    """
    try:
        if suite.source in MOVIELENS:
            downloaded(suite.source, home())
        elif suite.source in AMAZON:
            placed(suite.source, home())
    except ResourceError:
        raise ResourceError(
            f"the benchmark {suite.name} needs the data {suite.source}, which are not under "
            f"{home() / 'downloads'}: {suite.get}"
        ) from None
    if not suite.source:
        raise ResourceError(f"the benchmark {suite.name} needs data of yours: {suite.get}")
    return suite.source


def _seeds(row: Row, asked: int | None) -> int:
    return asked if asked is not None and row.is_trained else row.seeds


def _runs(row: Row, more: Mapping[str, Any], seeds: int, out: Path) -> list[PlannedRun]:
    return [_planned(row, more, seed, out / f"{row.name}-seed{seed}") for seed in range(seeds)]


def _planned(row: Row, more: Mapping[str, Any], seed: int, folder: Path) -> PlannedRun:
    own = {"seed": seed, "run.dir": str(folder), "run.resume": True, "run.name": ""}
    config = resolve(
        row.preset or None,
        (),
        dict(row.changes) | dict(more) | own,
        centralised=row.kind == CENTRALISED,
    )
    kept = _kept(row.kind, config, folder)
    made = kept if row.kind == FEDERATED else config  # a baseline makes its own of it
    return PlannedRun(folder, row.kind, made, config_hash(kept), kept.federation.rounds)


def _kept(kind: str, config: Config, folder: Path) -> Config:
    """The config as the folder of the run will hold it, checked against data and machine."""
    if kind == FEDERATED or kind not in (CENTRALISED, *BASELINES):
        fitted = fit_defaults(config)
        checked_strategy(fitted)
        check_fit(fitted)
        return fitted
    alone = baseline_config(kind, fit_defaults(config, keep=("partition.count",)), folder)
    check_baseline(kind, alone)
    return alone
