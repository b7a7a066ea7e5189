"""The end of a sweep: its complete runs, compared config by config."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.sweep.plan import Plan
from experiments.sweep.planned import PlannedRun
from fedrec.errors import ConfigError
from fedrec.report.comparison.comparison import Comparison, compare
from fedrec.report.ranks import MAIN
from fedrec.runs.record import COMPLETE, read_about


@dataclass(frozen=True)
class Compared:
    """What was found for one preset.

    Attributes:
        preset: Preset or TOML file.
        comparison: Its complete runs, compared.
        page: compare.html, with tables and figures beside it.
        unpaired: Why configs are not compared in pairs; empty where they are.
    """

    preset: str
    comparison: Comparison
    page: Path
    unpaired: str = ""


def compare_sweep(plan: Plan, out: Path, metrics: Sequence[str] = ()) -> list[Compared]:
    """Compare the complete runs of a sweep, preset by preset, and write a page for each.

    Args:
        plan: All runs.
        out: Folder of the sweep.
        metrics: Metrics to compare; the one that selects the weights if empty.

    Returns:
        A comparison for each preset that has a complete run; of one preset, in the folder itself.

    Raises:
        ConfigError: A metric that runs do not have.
    """
    found = []
    for preset in plan.grid.presets:
        cells = [cell for cell in plan.cells if cell.preset == preset]
        names = {
            run.folder: cell.name
            for cell in cells
            for run in plan.runs[cell.folder]
            if _is_complete(run)
        }
        if names:
            place = out if len(plan.grid.presets) == 1 else out / Path(preset).stem
            found.append(_compared(plan, preset, names, metrics or (MAIN,), place))
    return found


def _is_complete(run: PlannedRun) -> bool:
    there = (run.folder / "run.json").exists()
    return there and read_about(run.folder).get("status") in COMPLETE


def _compared(
    plan: Plan, preset: str, names: Mapping[Path, str], metrics: Sequence[str], place: Path
) -> Compared:
    why = ""
    try:
        comparison = compare(*names, metrics=metrics, within=plan.grid.strata, labels=names)
    except ConfigError as error:
        why = str(error).partition("; compare them without pairing")[0]
        comparison = compare(*names, metrics=metrics, unpaired=True, labels=names)
    return Compared(preset, comparison, comparison.save(place), why)
