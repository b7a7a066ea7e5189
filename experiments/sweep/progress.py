"""What a terminal shows while the runs of a study go on: how many are done, and where each is.

The run folders are read, whoever fills them: this process or Ray's workers.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from experiments.sweep.planned import PlannedRun
from fedrec.errors import DataError
from fedrec.report.ranks import MAIN
from fedrec.runs.record import COMPLETE, read_json, read_rounds

NAME = 40  # characters of a run's name on a line of the terminal


@dataclass(frozen=True)
class Reached:
    """Where a run that goes on is.

    Attributes:
        name: Name of its folder.
        round: Last round that it has recorded, or that its report is drawn.
        rounds: Maximum number of rounds.
        value: Main validation metric of its best round so far; None before the first.
    """

    name: str
    round: str
    rounds: int
    value: float | None


@contextlib.contextmanager
def progress(
    planned_runs: Sequence[PlannedRun], there: int, console: Console
) -> Iterator[Callable[[PlannedRun, str], None]]:
    """Show runs as they go, elsewhere a line for each; yields what is to be called as one ends.

    Args:
        planned_runs: Runs to be made.
        there: Number of further runs that are complete already.
        console: Console to write to.
    """
    left = {planned.folder: planned for planned in planned_runs}
    start, failed = time.monotonic(), 0

    def overview() -> RenderableType:
        done = there + len(planned_runs) - len(left) - failed
        words = f"{done} of {there + len(planned_runs)} runs are complete"
        words += f", {failed} failed" if failed else ""
        seconds = time.monotonic() - start
        words += f", {_minutes(seconds)}"
        if ended := len(planned_runs) - len(left):
            words += f", about {_minutes(seconds / ended * len(left))} left"
        going = [one for planned in list(left.values()) if (one := _reached(planned))]
        return Group(Text(words), _table(going)) if going else Text(words)

    def on_end(planned: PlannedRun, reason: str) -> None:
        nonlocal failed
        del left[planned.folder]
        failed += bool(reason)
        if reason:
            console.print(Text(f"{planned.folder.name} failed: {reason}", style="red"))
        elif not console.is_terminal:
            console.print(f"{planned.folder.name} is complete, {len(left)} left", soft_wrap=True)

    if not console.is_terminal:
        yield on_end
        return
    with Live(get_renderable=overview, console=console, refresh_per_second=2, transient=True):
        yield on_end


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def _table(going: Sequence[Reached]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("run", overflow="fold", max_width=NAME)
    for header in ("round", "of", f"{MAIN} (validation, best)"):
        table.add_column(header, justify="right", no_wrap=header in ("round", "of"))
    for one in going:
        value = "" if one.value is None else f"{one.value:.4f}"
        table.add_row(Text(one.name), one.round, str(one.rounds), value)
    return table


def _reached(planned: PlannedRun) -> Reached | None:
    """Where a run is that goes on; None for one that has not begun, or is paused."""
    try:
        status = read_json(planned.folder / "run.json").get("status")
        if status not in ("running", *COMPLETE):
            return None
        rounds, _ = read_rounds(planned.folder / "rounds.jsonl", must_exist=False)
    except DataError:
        return None
    values = [line["validation"][MAIN] for line in rounds if line.get("validation")]
    reached = str(rounds[-1]["round"]) if rounds else "0"
    where = reached if status == "running" else "report"  # drawn when all else is done
    return Reached(planned.folder.name, where, planned.rounds, max(values, default=None))
