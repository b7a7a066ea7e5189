"""``fedrec.sweep``: run a grid of configs from Python, and compare what it made."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from experiments.engines.ray import check_options
from experiments.sweep.axes import Axis, key_axis, parse_axes
from experiments.sweep.compared import compare_sweep
from experiments.sweep.grid import grid_of
from experiments.sweep.making import Room
from experiments.sweep.plan import MAX_RUNS, Plan, plan_sweep
from experiments.sweep.planned import PlannedRun
from experiments.sweep.pruning import Pruning
from experiments.sweep.run import run_sweep, sweep_folder
from fedrec.config.config import Value
from fedrec.config.keys import toml_value
from fedrec.errors import ConfigError
from fedrec.report.comparison.comparison import Comparison


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A sweep that is checked and may begin."""

    plan: Plan
    out: Path
    room: Room
    pruning: Pruning | None


def prepare(
    source: str | None,
    grid: Sequence[str | Axis],
    *,
    presets: Sequence[str] = (),
    sets: Sequence[str] = (),
    seeds: int | None = None,
    out: str | Path | None = None,
    room: Room,
    max_runs: int = MAX_RUNS,
    prune: str | None = None,
    prune_at: Sequence[int] = (),
    within: Sequence[str] | None = None,
    trust: bool = False,
) -> Prepared:
    """Read a grid and check all that its runs need, before any of them.

    Raises:
        FedrecError: What cannot be run, in a line each.
    """
    room.check()
    if room.address is not None:
        check_options("ray", None, room.address)
    if prune_at and prune is None:
        raise ConfigError("--prune-at says when --prune compares configs; give --prune, too")
    pruning = None if prune is None else Pruning(prune, tuple(prune_at))
    if pruning is not None:
        pruning.check()
    texts = [one for one in grid if isinstance(one, str)]
    axes = [*parse_axes(texts), *(one for one in grid if isinstance(one, Axis))]
    chosen = grid_of(source, axes, presets)
    if within is not None:
        chosen = replace(chosen, within=tuple(within))
    place = sweep_folder(chosen, out)
    plan = plan_sweep(
        chosen,
        sets,
        seeds=chosen.seeds if seeds is None else seeds,
        out=place,
        max_runs=max_runs,
        trust=trust,
    )
    return Prepared(plan=plan, out=place, room=room, pruning=pruning)


@dataclass(frozen=True, repr=False)
class Sweep:
    """What a sweep made.

    Attributes:
        folder: Folder of all runs and of compare.html.
        comparisons: Preset -> its complete runs, compared.
        failed: Name of a run's folder -> why it failed, in one line.
        pruned: Name of a config -> round after which it was stopped.
    """

    folder: Path
    comparisons: Mapping[str, Comparison]
    failed: Mapping[str, str]
    pruned: Mapping[str, int]

    @property
    def comparison(self) -> Comparison:
        """The comparison of the first preset.

        Raises:
            ConfigError: No run is complete.
        """
        if not self.comparisons:
            raise ConfigError(f"{self.folder} has no complete run; `failed` says why")
        return next(iter(self.comparisons.values()))

    def __repr__(self) -> str:
        """One line, as a notebook shows it."""
        runs = sum(len(g.runs) for one in self.comparisons.values() for g in one.groups)
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"<Sweep {self.folder.name}: {runs} complete runs{failed}>"


def sweep(
    source: str,
    grid: Mapping[str, Sequence[Value]] | None = None,
    *,
    changes: Mapping[str, Value] | None = None,
    presets: Sequence[str] = (),
    seeds: int | None = None,
    out: str | Path | None = None,
    jobs: int | None = None,
    address: str | None = None,
    cpus: float = 1.0,
    gpus: float = 0.0,
    max_runs: int = MAX_RUNS,
    prune: str | None = None,
    prune_at: Sequence[int] = (),
    within: Sequence[str] | None = None,
    metrics: Sequence[str] = (),
    trust: bool = False,
    on_end: Callable[[Path, str], None] | None = None,
) -> Sweep:
    """Run every combination of a grid over seeds, and compare the configs user by user.

    What is complete already is not run again, so the same call goes on where it was interrupted.

    Args:
        source: Name of a grid, file of a grid, preset or TOML file.
        grid: Dotted key -> values, all combinations of which are run; the values of the first key
            are compared. A key of the grid in ``source`` is replaced.
        changes: Dotted keys that all runs share.
        presets: Presets in place of the grid's own, or further ones.
        seeds: Number of seeds, from 0 on; the grid's own, or 1, when None.
        out: Folder of the sweep; by default one is named under ``$FEDREC_HOME/runs``.
        jobs: Number of runs at a time; as many as there is room for when None. 1 needs no Ray.
        address: Address of a Ray cluster, "auto" or host:port; this machine when None.
        cpus: Number of CPUs that a run takes.
        gpus: Number of GPUs that a run takes, or a share of one.
        max_runs: Number of runs that is not to be exceeded.
        prune: Stop configs that fall behind on validation, by "median" or "halving".
        prune_at: Rounds at which configs are compared for that; the rule's own if empty.
        within: Keys within whose values configs are compared; all but the first when None.
        metrics: Metrics to compare; NDCG@10, which selects the weights, if empty.
        trust: Import the modules that the config of a run's folder names, if ``source`` is one.
        on_end: Callback, called with the folder of each run that ends, and why it failed.

    Returns:
        The comparison with its tables, statements and pages, and what failed.

    Raises:
        FedrecError: The grid, the settings or the data cannot be used; no run has started then.
    """
    prepared = prepare(
        source,
        [key_axis(key, list(values)) for key, values in (grid or {}).items()],
        presets=presets,
        sets=[f"{key}={toml_value(value)}" for key, value in (changes or {}).items()],
        seeds=seeds,
        out=out,
        room=Room(jobs=jobs, address=address, cpus=cpus, gpus=gpus),
        max_runs=max_runs,
        prune=prune,
        prune_at=prune_at,
        within=within,
        trust=trust,
    )

    def ended(planned: PlannedRun, reason: str) -> None:
        if on_end is not None:
            on_end(planned.folder, reason)

    left = run_sweep(
        prepared.plan,
        prepared.out,
        prepared.room,
        command=f"fedrec.sweep({source!r}, {dict(grid or {})!r})",
        show=lambda runs, there: contextlib.nullcontext(ended),
        tell=lambda line: None,
        pruning=prepared.pruning,
    )
    found = compare_sweep(prepared.plan, prepared.out, metrics)
    comparisons = {one.preset: one.comparison for one in found}
    return Sweep(prepared.out, comparisons, left.failed, left.pruned)
