"""The table of rounds while a run goes on."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fedrec.report.tables import ROUND_COLUMNS, round_headers, round_row
from fedrec.report.words import duration

LEGEND = (
    "* best round so far; clients: replies aggregated / clients sampled",
    "HR, NDCG: validation items, means over so many users; p10 / p50 / p90:",
    "percentiles of NDCG@10 over the clients; MB: sent by and to all, so far",
)
_WIDE = 100  # columns from which the table has room for its headers in one line


class LiveRounds:
    """Shows each round as it ends: a growing table on a terminal, plain lines elsewhere.

    Args:
        console: Console to write to.
        protocol: Protocol of the evaluation, for the names of the metrics; of several the first.
        quiet: Show nothing.
        rounds: Last round, to which the time is estimated; None for no estimate.
    """

    def __init__(
        self,
        console: Console,
        protocol: str,
        *,
        quiet: bool = False,
        rounds: int | None = None,
    ) -> None:
        self._console = console
        self._headers = round_headers(protocol)
        self._rows: list[list[str]] = []
        self._rounds = rounds
        self._seconds: list[float] = []  # of each round, evaluation apart
        self._evaluation = 0.0  # seconds of all evaluations
        self._left = ""
        self._quiet = quiet
        is_live = console.is_terminal and not quiet
        self._waiting = ""
        self._live = Live(console=console, auto_refresh=False) if is_live else None

    def __enter__(self) -> "LiveRounds":
        if self._live is not None:
            self._live.start()
            self._live.update("waiting for the clients ...", refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.update(self._table(all_rows=True) if self._rows else "", refresh=True)
            self._live.stop()

    def add(self, record: dict[str, Any]) -> None:
        """Show one line of rounds.jsonl."""
        if not self._rows and not self._quiet:
            for line in LEGEND:
                self._console.print(line, style="dim", markup=False, highlight=False)
        self._rows.append(round_row(record))
        self._left = self._time_left(record)
        if self._live is not None:
            self._live.update(self._now(), refresh=True)
        elif not self._quiet:
            if len(self._rows) == 1:
                self._line(self._headers)
            self._line(self._rows[-1], self._left)

    def wait(self, arrived: int, expected: int) -> None:
        """Show how many sampled clients have responded so far; on a terminal only."""
        seen = f"{arrived} of {expected} clients have responded"
        seen += f"; {self._left}" if self._left else ""
        if self._live is None or seen == self._waiting:
            return
        self._waiting = seen
        self._live.update(self._now(seen), refresh=True)

    def _now(self, below: str = "") -> Group:
        return Group(self._table(all_rows=False), Text(below or self._left, "dim"))

    def _time_left(self, record: Mapping[str, Any]) -> str:
        """How long the remaining rounds take; "" where none remains.

        Each at the pace of the last few, and evaluated as often as those so far.
        """
        if record["round"] > 0:  # round 0 trains nothing
            took = record["seconds"]
            evaluation = took.get("evaluate", 0.0)
            self._seconds.append(took["total"] - evaluation)
            self._evaluation += evaluation
        remaining = (self._rounds or 0) - record["round"]
        if remaining <= 0 or not self._seconds:
            return ""
        recent = self._seconds[-5:]
        each = sum(recent) / len(recent) + self._evaluation / len(self._seconds)
        return f"about {duration(remaining * each)} to round {self._rounds}"

    def _line(self, cells: list[str], behind: str = "") -> None:
        pairs = zip(cells, ROUND_COLUMNS, strict=True)
        text = " ".join(cell.rjust(column.width) for cell, column in pairs)
        text += f"  {behind}" if behind else ""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _table(self, *, all_rows: bool) -> Table:
        is_wide = self._console.width >= _WIDE
        gap = (0, 1, 0, 0) if is_wide else (0, 0, 0, 0)
        table = Table(box=SIMPLE_HEAD, padding=gap, show_edge=is_wide)
        for header in self._headers:
            short = header.replace(" / ", "/").replace(" ", "\n").replace("popularity", "pop.")
            table.add_column(header if is_wide else short, justify="right", no_wrap=True)
        room = max(5, self._console.height - 9)  # a live table taller than the screen is cut off
        for row in self._rows if all_rows else self._rows[-room:]:
            table.add_row(*(row if is_wide else [cell.replace(" / ", "/") for cell in row]))
        return table
