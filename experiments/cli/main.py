"""The ``fedrec`` command. Thin: it reads words, calls a function, prints what came of it."""

import typer

from experiments.cli import data, runs, studies
from server.lifecycle.signals import end_by_signals

app = typer.Typer(
    help="Federated simulation for sequential recommendation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for part in (runs, studies, data):
    app.add_typer(part.app)
app.add_typer(data.data, name="data")


def main() -> None:
    """Entry point of the console command."""
    end_by_signals()
    app()


if __name__ == "__main__":
    main()
