"""What a terminal shows while the runs of a grid go on: how many are done, and where each is.

The run folders are read, whoever fills them: this process or Ray's workers.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.live import Live
from rich.text import Text

from experiments.ablation.tasks import PlannedRun
from fedrec.errors import DataError
from fedrec.runs.record import read_json, read_rounds


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

    def lines() -> Text:
        done = there + len(planned_runs) - len(left) - failed
        minutes, seconds = divmod(int(time.monotonic() - start), 60)
        words = f"{done} of {there + len(planned_runs)} runs are complete"
        words += f", {failed} failed" if failed else ""
        going = [_where(planned) for planned in list(left.values())]
        head = f"{words}, {minutes} min {seconds:02d} s"
        return Text("\n".join([head, *(line for line in going if line)]))

    def ended(planned: PlannedRun, reason: str) -> None:
        nonlocal failed
        del left[planned.folder]
        failed += bool(reason)
        if reason:
            console.print(Text(f"{planned.folder.name} failed: {reason}", style="red"))
        elif not console.is_terminal:
            console.print(f"{planned.folder.name} is complete, {len(left)} left", soft_wrap=True)

    if not console.is_terminal:
        yield ended
        return
    with Live(get_renderable=lines, console=console, refresh_per_second=2, transient=True):
        yield ended


def _where(planned: PlannedRun) -> str:
    """The line of a run that goes on; nothing for one that has not begun."""
    try:
        if read_json(planned.folder / "run.json").get("status") != "running":
            return ""
        rounds, _ = read_rounds(planned.folder / "rounds.jsonl", must_exist=False)
    except DataError:
        return ""
    reached = rounds[-1]["round"] if rounds else 0
    return f"  {planned.folder.name}: round {reached} of {planned.rounds}"
