"""The ``fedrec`` command: reads arguments, calls one function, prints its result.

A command is a function with ``@app.command()`` in one of the modules of ``GROUPS``.
"""

import os
import sys
from typing import Annotated

import typer

import fedrec
from experiments.cli import (
    benchmarks,
    data,
    housekeeping,
    models,
    quickstart,
    runs,
    signals,
    studies,
    sweep,
)
from experiments.cli.terminal import end_by_bug, is_closed_pipe
from experiments.crash import show_any_text, use_utf8
from server.lifecycle.signals import install_signal_handlers

GROUPS = (quickstart, runs, studies, sweep, benchmarks, models, signals, data, housekeeping)
app = typer.Typer(
    help="Federated learning simulation for sequential recommendation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for group in GROUPS:
    app.add_typer(group.app)
app.add_typer(data.data, name="data")
app.add_typer(housekeeping.config, name="config")


def show_version(is_asked: bool) -> None:
    """Print the version and end, where it is asked for."""
    if is_asked:
        typer.echo(f"fedrec {fedrec.__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Take the options before the command."""


def main() -> None:
    """Entry point of the console command."""
    use_utf8()
    show_any_text()
    install_signal_handlers()
    try:
        app()
    except Exception as error:
        if os.environ.get("FEDREC_DEBUG") == "1":
            raise
        code = end_by_bug(error)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.exit(_flushed(code))


def _flushed(code: int) -> int:
    """The exit code, or that of a standard output that cannot take what was printed."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python would try again at its end, and print a traceback that nobody can catch.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not is_closed_pipe(error):
            return end_by_bug(error)
    return code


if __name__ == "__main__":
    main()
