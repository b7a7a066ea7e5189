"""The ``fedrec`` command. Thin: it reads words, calls a function, prints what came of it."""

import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from fedrec.errors import ConfigError, FedrecError

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    help="Federated simulation for sequential recommendation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
data = typer.Typer(help="Get a dataset, or look at one.", no_args_is_help=True)
app.add_typer(data, name="data")

Source = Annotated[
    str | None, typer.Argument(metavar="[PRESET|FILE.toml]", help="`fedrec presets` lists them.")
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key; `fedrec keys` lists them."),
]
Out = Annotated[str | None, typer.Option("--out", help="The run folder to make.")]


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends a run as Ctrl-C does, with its own exit code."""

    exit_code = 128 + signal.SIGTERM


@app.command()
def run(
    source: Source = None,
    sets: Sets = None,
    engine: Annotated[str, typer.Option(help="flower, or inline: this process.")] = "flower",
    partitions: Annotated[int | None, typer.Option(help="partition.count")] = None,
    out: Out = None,
    seed: Annotated[int | None, typer.Option(help="seed")] = None,
    name: Annotated[str | None, typer.Option(help="run.name, a folder's name.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the report's path only.")] = False,
) -> None:
    """Run a federation and write its run folder with a report."""
    with ending():
        from experiments.run import run as run_federation
        from experiments.settings import resolve

        options = {
            "partition.count": partitions,
            "run.dir": out,
            "seed": seed,
            "run.name": name,
            "run.overwrite": overwrite or None,
        }
        config = resolve(source, sets or (), options)
        console = terminal()
        from fedrec.report.live import LiveRounds

        with LiveRounds(console, config.evaluation.main_protocol, quiet=quiet) as live:
            folder = run_federation(config, engine=engine, command=typed(), on_round=live.add)
        if not quiet:
            from fedrec.report.history import read_run
            from fedrec.report.tables import final_table

            console.print(final_table(read_run(folder)))
        print_path("report", folder / "report.html", quiet=quiet)


@app.command()
def report(run: Annotated[str, typer.Argument(help="A run's folder, or its name.")]) -> None:
    """Write figures and report.html from a run folder alone."""
    with ending():
        from fedrec.home import home
        from fedrec.report.page import write_report

        given = Path(run)
        is_name = not given.exists() and len(given.parts) == 1
        print_path("report", write_report(home() / "runs" / run if is_name else given))


@app.command()
def reference(
    kind: Annotated[str, typer.Argument(metavar="central|popularity")],
    source: Source = None,
    sets: Sets = None,
    out: Out = None,
    seed: Annotated[int | None, typer.Option(help="seed")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run.")] = False,
) -> None:
    """Train the same model on all data in one place, or rank by popularity."""
    with ending():
        from experiments.references import reference as make_reference
        from experiments.settings import resolve
        from fedrec.report.history import read_run
        from fedrec.report.live import LiveRounds
        from fedrec.report.tables import final_table
        from server.place import check_room, run_path

        if kind not in ("central", "popularity"):
            raise ConfigError(f"a reference is 'central' or 'popularity', got {kind!r}")
        options = {"run.dir": out, "seed": seed, "run.overwrite": overwrite or None}
        config = resolve(source, sets or (), options, central=kind == "central")
        folder = run_path(config)
        folder = folder if config.run.dir else folder.with_name(f"{folder.name}-{kind}")
        check_room(folder, overwrite=config.run.overwrite)
        console = terminal()
        with LiveRounds(console, config.evaluation.main_protocol) as live:
            folder = make_reference(kind, config, folder, live.add)
        console.print(final_table(read_run(folder)))
        print_path("folder", folder)


@app.command()
def keys() -> None:
    """List every key of a run's config with its default, as TOML."""
    from fedrec.config import Config
    from fedrec.config_keys import to_toml

    typer.echo(to_toml(Config(), with_run=True), nl=False)


@app.command()
def presets() -> None:
    """List the presets."""
    from experiments.presets import about_preset, preset_names

    for name in preset_names():
        typer.echo(f"{name:<12} {about_preset(name)}")


@data.command()
def get(name: Annotated[str, typer.Argument(help="ml-1m, ml-100k or ml-latest-small")]) -> None:
    """Download a dataset from its official address and check its sha256."""
    with ending():
        from rich.console import Console
        from rich.progress import Progress

        from fedrec.data.download import get as get_dataset
        from fedrec.home import home

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
def describe(source: Source = None, sets: Sets = None) -> None:
    """Print sizes, the partition and how far apart the tastes of its clients are."""
    with ending():
        from experiments.describe import describe as described
        from experiments.settings import resolve

        console = terminal()
        for part in described(resolve(source, sets or ())):
            console.print(part)


@contextlib.contextmanager
def ending() -> Iterator[None]:
    """End the command by the exit codes of fedrec.errors: one line, and no traceback.

    FEDREC_DEBUG=1 shows the traceback instead. A bug of ours shows one always.
    """
    try:
        yield
    except FedrecError as error:
        if os.environ.get("FEDREC_DEBUG") == "1":
            raise
        from fedrec.report.plain import plain

        typer.echo(f"error: {' '.join(plain(error).split())}", err=True)
        raise typer.Exit(error.exit_code) from None
    except Terminated:
        typer.echo("error: terminated", err=True)
        raise typer.Exit(Terminated.exit_code) from None
    except KeyboardInterrupt:
        typer.echo("error: interrupted", err=True)
        raise typer.Exit(128 + signal.SIGINT) from None


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


def main() -> None:
    """Entry point of the console command."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    app()


if __name__ == "__main__":
    main()
