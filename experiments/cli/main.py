"""The ``fedrec`` command: reads arguments, calls one function, prints its result.

A command is a function with ``@app.command()`` in one of the modules of ``GROUPS``.
"""

from typing import Annotated

import typer

import fedrec
from experiments.cli import data, runs, studies
from server.lifecycle.signals import install_signal_handlers

GROUPS = (runs, studies, data)
app = typer.Typer(
    help="Federated learning simulation for sequential recommendation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for group in GROUPS:
    app.add_typer(group.app)
app.add_typer(data.data, name="data")


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
    install_signal_handlers()
    app()


if __name__ == "__main__":
    main()
