"""Commands about config and data: keys, presets, data get, data describe."""

from typing import Annotated

import typer

from experiments.cli.options import Sets, Source, Trust
from experiments.cli.terminal import (
    ending,
    terminal,
)

app = typer.Typer()
data = typer.Typer(help="Download or describe a dataset.", no_args_is_help=True)


@app.command()
def keys() -> None:
    """Print every config key with its default, as TOML."""
    from fedrec.config.config import Config
    from fedrec.config.keys import to_toml

    typer.echo(to_toml(Config(), with_run=True), nl=False)


@app.command()
def presets() -> None:
    """List the presets: named configs."""
    from experiments.presets import about_preset, preset_names

    for name in preset_names():
        typer.echo(f"{name:<15} {about_preset(name)}")


@data.command()
def get(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Dataset: ml-1m, ml-100k or ml-latest-small.")
    ],
) -> None:
    """Download a dataset from its official address and verify its SHA-256.

    NAME is ml-1m, ml-100k or ml-latest-small.
    """
    with ending():
        from rich.console import Console
        from rich.progress import Progress

        from fedrec.data.preparation.download import get as get_dataset
        from fedrec.files.home import home

        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task(name, total=None)
            got = get_dataset(
                name,
                home(),
                progress=lambda so_far, total: bar.update(task, completed=so_far, total=total),
            )
        typer.echo(f"{got.path}: {got.bytes:,} bytes, sha256 {got.sha256}")
        typer.echo(f"from {got.address}" + (" (was already there)" if got.was_there else ""))
        typer.echo(f"licence: {got.licence}")


@data.command()
def check(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="File, folder or archive, or a dataset's name.")
    ],
    sets: Sets = None,
) -> None:
    """Say what would be read from a file, guessed and dropped; exit code 4 if it cannot be.

    Nothing is written. FILE is a file, folder or archive, or any other value of data.source.
    """
    with ending():
        from rich.table import Table
        from rich.text import Text

        from experiments.settings import resolve
        from fedrec.data.preparation.check import check_data
        from fedrec.data.preparation.thresholds import Thresholds
        from fedrec.factory.data import columns_of
        from fedrec.files.home import home
        from fedrec.runs.plain_text import plain

        config = resolve(None, sets or (), {"data.source": file})
        kept = config.data
        found = check_data(
            kept.source,
            format=kept.format,
            columns=columns_of(kept),
            thresholds=Thresholds(
                kept.min_item_events, kept.min_user_events, kept.top_items, kept.sessions
            ),
            home=home(),
            seed=config.seed,
        )
        said = Table.grid(padding=(0, 2))
        try:
            for label, value in found:
                said.add_row(Text(label, style="bold"), Text(plain(value)))
        finally:  # an error comes behind what was found until then
            terminal().print(said)


@data.command()
def describe(source: Source = None, sets: Sets = None, trust: Trust = False) -> None:
    """Print the sizes of a dataset, its partitions, and how far their tastes diverge.

    PRESET is a name that `fedrec presets` lists, FILE.toml a config of your own.
    """
    with ending():
        from experiments.describe import describe as described
        from experiments.settings import resolve

        console = terminal()
        for part in described(resolve(source, sets or (), trust=trust)):
            console.print(part)
