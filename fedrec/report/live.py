"""The table of rounds while a run goes on."""

from types import TracebackType
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fedrec.report.tables import ROUND_COLUMNS, round_headers, round_row


class LiveRounds:
    """Shows each round as it ends: a growing table on a terminal, plain lines elsewhere.

    Args:
        console: Console to write to.
        protocol: Protocol of the evaluation, for the names of the metrics; of several the first.
        quiet: Show nothing.
    """

    def __init__(self, console: Console, protocol: str, *, quiet: bool = False) -> None:
        self._console = console
        self._headers = round_headers(protocol)
        self._rows: list[list[str]] = []
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
        self._rows.append(round_row(record))
        if self._live is not None:
            self._live.update(self._table(all_rows=False), refresh=True)
        elif not self._quiet:
            if len(self._rows) == 1:
                self._line(self._headers)
            self._line(self._rows[-1])

    def wait(self, arrived: int, expected: int) -> None:
        """Show how many sampled clients have responded so far; on a terminal only."""
        seen = f"{arrived} of {expected} clients have responded"
        if self._live is None or seen == self._waiting:
            return
        self._waiting = seen
        self._live.update(Group(self._table(all_rows=False), Text(seen, "dim")), refresh=True)

    def _line(self, cells: list[str]) -> None:
        pairs = zip(cells, ROUND_COLUMNS, strict=True)
        text = " ".join(cell.rjust(column.width) for cell, column in pairs)
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _table(self, *, all_rows: bool) -> Table:
        title = "rounds (* best so far)"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for header in self._headers:
            table.add_column(header, justify="right", no_wrap=True)
        room = max(5, self._console.height - 7)  # a live table taller than the screen is cut off
        for row in self._rows if all_rows else self._rows[-room:]:
            table.add_row(*row)
        return table
