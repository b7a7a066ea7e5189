"""Take a sweep from rung to rung: at each, the configs that fall behind are stopped."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from experiments.sweep.cells import Cell
from experiments.sweep.plan import Plan
from experiments.sweep.planned import PlannedRun, say_why
from experiments.sweep.pruning import Pruning
from fedrec.report.ablation.columns import short
from fedrec.report.ranks import MAIN
from fedrec.runs.record import read_rounds

Rungs = Mapping[str, Sequence[int]]  # preset -> rounds at which its configs are compared


def rungs_of(plan: Plan, pruning: Pruning) -> Rungs:
    """The rounds at which the configs of each preset are compared.

    Raises:
        ConfigError: As for ``Pruning.rungs``.
    """
    found = {}
    for preset in plan.grid.presets:
        cells = [cell for cell in plan.cells if cell.preset == preset]
        found[preset] = pruning.rungs([run.config for run in plan.in_order(cells)])
    return found


def through_rungs(
    plan: Plan,
    rungs: Rungs,
    pruning: Pruning,
    stage: Callable[[Sequence[PlannedRun]], None],
    tell: Callable[[str], None],
) -> tuple[list[Cell], dict[str, int]]:
    """Make all runs as far as each rung, and leave out after it what has fallen behind.

    Args:
        plan: All runs.
        rungs: Where they wait for each other.
        pruning: What is stopped there.
        stage: Makes runs until the round that they name.
        tell: Called with a line about each config that is stopped.

    Returns:
        The cells that go on after the last rung, and of the others the round they were stopped at.
    """
    going, stopped = list(plan.cells), {}
    for step in range(max(map(len, rungs.values()))):
        until = {preset: rounds[step] for preset, rounds in rungs.items() if step < len(rounds)}
        stage(
            [
                replace(plan.runs[cell.folder][seed], until=until.get(cell.preset))
                for seed in range(plan.seeds)
                for cell in going
            ]
        )
        for preset, round in until.items():
            values = {
                cell.name: value
                for cell in going
                if cell.preset == preset
                and (value := best_so_far(plan.runs[cell.folder], round)) is not None
            }
            kept = pruning.going_on(values, round)
            for cell in [one for one in going if one.name in values.keys() - kept]:
                going.remove(cell)
                stopped[cell.name] = round
                _say(plan.runs[cell.folder], round, values[cell.name], tell, cell)
    return going, stopped


def best_so_far(runs: Sequence[PlannedRun], round: int) -> float | None:
    """Best main validation metric up to a round, mean over the seeds that got so far.

    None where none did.
    """
    found = []
    for run in runs:
        lines, _ = read_rounds(run.folder / "rounds.jsonl", must_exist=False)
        before = [line for line in lines if line["round"] <= round and line.get("validation")]
        if before:
            found.append(max(float(line["validation"][MAIN]) for line in before))
    return float(np.mean(found)) if found else None


def _say(
    runs: Sequence[PlannedRun], round: int, value: float, tell: Callable[[str], None], cell: Cell
) -> None:
    """Tell that a config is stopped, and write it into the folders of its runs."""
    words = f"stopped after round {round} by the sweep: validation {MAIN} {short(value)}"
    tell(f"{cell.name}: {words}")
    for run in runs:
        say_why(run.folder, words)
