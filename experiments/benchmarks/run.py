"""Make what is missing of a benchmark, and measure what is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.benchmarks.plan import Planned
from experiments.benchmarks.suite import Row, Suite
from experiments.sweep.making import Failures, Room, Show, make_runs, saying_how_to_go_on
from experiments.sweep.planned import PlannedRun, is_done
from fedrec.errors import ConfigError
from fedrec.files.home import home
from fedrec.files.paths import followed
from fedrec.report.comparison.groups import group_runs
from fedrec.report.leaderboard.entries import Entry, entry_of
from fedrec.report.ranks import MAIN
from fedrec.runs.directory import locked
from fedrec.runs.record import COMPLETE, load, read_about

FILE = "benchmark.json"
WITHIN, OUTSIDE, NOT_MEASURED, NOT_COMPLETE = "within", "outside", "not measured yet", "not run"
OTHER_SETTINGS = "other settings"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A row with what its runs are worth.

    Attributes:
        row: The row.
        protocol: Evaluation protocol of its main metrics.
        entry: Its complete runs; None before the first is complete.
        verdict: "within" or "outside" of what is expected, "not measured yet" where nothing is
            expected, "not run", or "other settings".
    """

    row: Row
    protocol: str
    entry: Entry | None
    verdict: str


def benchmark_folder(suite: Suite, out: str | None) -> Path:
    """Where a benchmark lies: always the same place, so that it can go on."""
    return followed(Path(out)) if out else home() / "runs" / f"benchmark-{suite.name}"


def make_benchmark(planned: Planned, out: Path, room: Room, show: Show) -> Failures:
    """Make every run that is not complete yet, seed by seed.

    Args:
        planned: The runs of each row.
        out: Folder of all runs, absolute.
        room: Where runs are made, and how many at a time.
        show: What goes on; see ``experiments.sweep.making``.

    Returns:
        The runs that failed, each with its reason.

    Raises:
        ConfigError: A folder holds a run of another config or other code, or something else.
        ResourceError: Ray does not start.
    """
    most = max(len(runs) for runs in planned.values())
    runs = [own[seed] for seed in range(most) for own in planned.values() if seed < len(own)]
    waiting = [run for run in runs if not is_done(run)]
    failures: Failures = {}
    if not waiting:
        return failures
    _check_folder(out, runs)
    with locked(out), saying_how_to_go_on(), show(waiting, len(runs) - len(waiting)) as shown:

        def on_end(run: PlannedRun, reason: str) -> None:
            if reason:
                failures[run.folder.name] = reason
            shown(run, reason)

        make_runs(waiting, room, waiting[0].config, on_end)
    return failures


def measured_rows(
    rows: Sequence[Row], planned: Planned, *, is_other: bool = False
) -> list[Measured]:
    """Every row with the figures of its complete runs, and whether they are as expected.

    Args:
        rows: Rows, in the order of the table.
        planned: Their runs.
        is_other: Whether the user has set keys, so that nothing is expected.

    Raises:
        DataError: A damaged folder of a run.
    """
    return [_measured(row, planned[row.name], is_other) for row in rows]


def _measured(row: Row, planned: Sequence[PlannedRun], is_other: bool) -> Measured:
    complete = [load(run.folder) for run in planned if _is_complete(run)]
    entry = entry_of(group_runs(complete)[0], row.about) if complete else None
    return Measured(
        row=row,
        protocol=planned[0].config.protocol_names[0],
        entry=entry,
        verdict=_verdict(row, entry, is_other),
    )


def _verdict(row: Row, entry: Entry | None, is_other: bool) -> str:
    if entry is None:
        return NOT_COMPLETE
    if row.expected is None:
        return NOT_MEASURED
    if is_other:
        return OTHER_SETTINGS
    is_within = all(
        abs(float(entry.figures[metric]["value"]) - value) <= row.expected.tolerance * value
        for metric, value in row.expected.values.items()
    )
    return WITHIN if is_within else OUTSIDE


def _is_complete(run: PlannedRun) -> bool:
    """Whether the folder of a run holds this very config, to its end."""
    is_there = is_complete_folder(run.folder)
    return is_there and read_about(run.folder).get("config_hash") == run.hash


def is_complete_folder(folder: Path) -> bool:
    """Whether a folder holds a run, to its end."""
    there = (folder / "run.json").exists()
    return there and read_about(folder).get("status") in COMPLETE


def share_of(measured: Measured) -> float | None:
    """The main metric over what is expected of it; None where one of them is missing."""
    if measured.entry is None or measured.row.expected is None:
        return None
    expected = measured.row.expected.values.get(MAIN)
    return float(measured.entry.figures[MAIN]["value"]) / expected if expected else None


def _check_folder(out: Path, runs: Sequence[PlannedRun]) -> None:
    """Refuse a folder that holds something else than a benchmark.

    Raises:
        ConfigError: It is no folder, or one without benchmark.json and runs of this benchmark.
    """
    if not out.exists():
        return
    names = {run.folder.name for run in runs}
    there = [path.name for path in out.iterdir()] if out.is_dir() else [out.name]
    foreign = [name for name in there if name not in names and not name.startswith(".")]
    if foreign and FILE not in there and not names & set(there):
        raise ConfigError(f"{out} is not empty and holds no benchmark; choose another --out")
