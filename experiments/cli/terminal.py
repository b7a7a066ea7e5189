"""Output and exit codes of the ``fedrec`` command: an error is one line, never a traceback."""

import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fedrec.errors import ConfigError, FedrecError
from server.lifecycle.signals import ignore_signals, interruption_code

if TYPE_CHECKING:
    from rich.console import Console

    from fedrec.config.config import Config

Callback = Callable[..., None]


@contextlib.contextmanager
def ending() -> Iterator[None]:
    """End the command by the exit codes of fedrec.errors: one line, and no traceback.

    FEDREC_DEBUG=1 shows the traceback instead. That of a bug of ours goes to a log file.
    """
    try:
        yield
    except FedrecError as error:
        if os.environ.get("FEDREC_DEBUG") == "1":
            raise
        from fedrec.runs.plain_text import plain

        problems = error.problems if isinstance(error, ConfigError) else ()
        if len(problems) > 1:
            for problem in problems:
                typer.echo(f"error: {plain(problem)}", err=True)
            raise typer.Exit(error.exit_code) from None
        say_end(plain(error), error)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt as end:
        ignore_signals()  # another Ctrl-C would change the exit code, or leave a traceback
        code = interruption_code(end)
        say_end("terminated" if code == 128 + signal.SIGTERM else "interrupted", end, label="")
        raise typer.Exit(code) from None
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except Exception as error:
        if os.environ.get("FEDREC_DEBUG") == "1" or is_closed_pipe(error):
            raise
        raise typer.Exit(end_by_bug(error)) from None


def is_closed_pipe(error: BaseException) -> bool:
    """Whether the reader of standard output has gone, as `head` does: no error of anybody."""
    return isinstance(error, BrokenPipeError)


def end_by_bug(error: BaseException) -> int:
    """Say in one line what no check has foreseen; return the exit code."""
    from experiments.crash import crash_line
    from fedrec.runs.plain_text import plain

    line, code = crash_line(error, typed())
    with contextlib.suppress(OSError):
        typer.echo(f"error: {plain(line)}", err=True)
    return code


def say_end(reason: str, error: BaseException, label: str = "error: ") -> None:
    """The reason in one line, with how to go on where that is known."""
    told = "; ".join([reason, *getattr(error, "__notes__", [])])
    typer.echo(f"{label}{' '.join(told.split())}", err=True)


def show_end(console: "Console", folder: Path, *, quiet: bool) -> None:
    """The table of a run that is over, and where its report is."""
    if not quiet:
        show_table(console, folder)
    print_path("report", folder / "report.html", quiet=quiet)


def show_table(console: "Console", folder: Path) -> None:
    """The table of a run that is over, and what its clients did not send."""
    from fedrec.report.tables import final_table
    from fedrec.runs.record import read_run
    from fedrec.runs.sent import withheld

    run = read_run(folder)
    console.print(final_table(run))
    if line := withheld(run.about.get("sent") or {}):
        typer.echo(line)


def show_fallback(config: "Config", *, quiet: bool) -> None:
    """Say before a run that it computes on the CPU though it might take a GPU."""
    from fedrec.factory.devices import device_fallback

    if not quiet and (line := device_fallback(config)):
        typer.echo(line)


def once_told(tell: Callable[[], None]) -> Callable[[Callback], Callback]:
    """Let callbacks tell something before the first of their calls: nothing has failed by then."""
    waiting = [tell]

    def telling(callback: Callback) -> Callback:
        def call(*seen: Any) -> None:
            while waiting:
                waiting.pop()()
            callback(*seen)

        return call

    return telling


def terminal() -> "Console":
    """Where tables go; wide where no terminal says how wide it is."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=120)


def typed() -> str:
    """The command as it was typed, quoted for a shell."""
    return shlex.join(["fedrec", *sys.argv[1:]])


def print_path(label: str, path: Path, *, quiet: bool = False) -> None:
    """A path on a line of its own, never wrapped or coloured: other programs read it."""
    typer.echo(str(path) if quiet else f"{label}: {path}")
