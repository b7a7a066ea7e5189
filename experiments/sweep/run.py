"""Run a sweep: make every run that is missing, and stop the configs that fall behind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.engines.flower_service import LOCAL_ENCODERS
from experiments.sweep.grid import Grid
from experiments.sweep.making import Room, Show, make_runs, saying_how_to_go_on
from experiments.sweep.plan import Plan
from experiments.sweep.planned import PlannedRun, is_done
from experiments.sweep.pruning import Pruning
from experiments.sweep.record import SweepRecord
from experiments.sweep.rungs import rungs_of, through_rungs
from fedrec.config.config import Config
from fedrec.files.home import home
from fedrec.files.paths import followed
from fedrec.runs.directory import locked


@dataclass(frozen=True)
class Left:
    """What a sweep has not completed.

    Attributes:
        failed: Name of a run's folder -> why it failed.
        pruned: Name of a cell -> round after which it was stopped.
    """

    failed: dict[str, str]
    pruned: dict[str, int]


def sweep_folder(grid: Grid, out: str | Path | None) -> Path:
    """Where a sweep lies: always the same place for what it varies, so that it can go on."""
    if out is not None:
        return followed(Path(out))
    presets = [Path(preset).stem for preset in grid.presets]
    varied = [grid.name] if grid.name else [axis.name for axis in grid.axes]
    return home() / "runs" / "-".join(["sweep", *presets, *varied])


def run_sweep(
    plan: Plan,
    out: Path,
    room: Room,
    *,
    command: str,
    show: Show,
    tell: Callable[[str], None],
    pruning: Pruning | None = None,
) -> Left:
    """Make every run of a plan that is not there yet.

    Args:
        plan: All runs, checked.
        out: Folder of the sweep, absolute.
        room: Where runs are made, and how many at a time.
        command: What repeats this call, for the record.
        show: What goes on: called with the runs to be made and how many are complete already; what
            it yields is called with each run that ends.
        tell: Called with a line about what was stopped.
        pruning: Stop configs early that fall behind, if given.

    Raises:
        ConfigError: The folder holds something else, or runs of other code.
        ResourceError: Ray does not start.
    """
    record = SweepRecord(out, plan, command)
    rungs = rungs_of(plan, pruning) if pruning else {}
    config = _neediest([run.config for run in plan.in_order()])
    for planned in plan.in_order():
        is_done(planned)  # refuses the run of another config or other code

    def stage(planned_runs: Sequence[PlannedRun]) -> None:
        left = [run for run in planned_runs if run.folder.name not in record.failed]
        waiting = [run for run in left if not is_done(run)]
        with show(waiting, len(left) - len(waiting)) as shown:

            def on_end(planned: PlannedRun, reason: str) -> None:
                if reason:
                    record.failed[planned.folder.name] = reason
                    record.write()
                shown(planned, reason)

            make_runs(waiting, room, config, on_end)

    with locked(out), saying_how_to_go_on():
        record.write()
        cells = plan.cells
        if pruning is not None:
            cells, record.pruned = through_rungs(plan, rungs, pruning, stage, tell)
        stage(plan.in_order(cells))
        record.write()
    return Left(record.failed, record.pruned)


def _neediest(configs: Sequence[Config]) -> Config:
    """The config whose workers need most: a network, for a text encoder that may be fetched."""
    return next((one for one in configs if one.semantics.encoder not in LOCAL_ENCODERS), configs[0])
