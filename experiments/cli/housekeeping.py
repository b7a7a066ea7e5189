"""Commands ls, open, doctor, clean, config explain."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import RunFolder
from experiments.cli.terminal import ending, print_path, terminal

app = typer.Typer()
config = typer.Typer(help="Explain config keys.", no_args_is_help=True)


@app.command()
def ls(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]", help="Folder to look in; the runs of FEDREC_HOME by default."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List runs with their state, preset, rounds, NDCG@10, date and size, the newest first."""
    with ending():
        from experiments.housekeeping import listing
        from fedrec.errors import DataError
        from fedrec.files.home import home

        place = (folder or home() / "runs").expanduser().absolute()
        if folder is not None and not place.is_dir():
            raise DataError(f"{place} is no folder; name one that holds runs")
        runs = [listing.listed(one) for one in listing.runs_below(place)]
        runs.sort(key=lambda run: run.started, reverse=True)
        if as_json:
            typer.echo(listing.as_json(runs))
        elif runs:
            terminal().print(listing.runs_table(runs, place))
        else:
            typer.echo(f"no run in {place}; `fedrec quickstart` makes three")


@app.command("open")
def open_report(run: RunFolder) -> None:
    """Open the report of a run in a browser, and print its path.

    RUN is the folder of a run, or its name under the runs of FEDREC_HOME.
    """
    with ending():
        from experiments.housekeeping.browser import opened
        from experiments.resume import run_folder
        from fedrec.runs.record import read_run

        page = read_run(run_folder(run)).report()
        print_path("report", page)
        if not opened(page):
            typer.echo("no browser here: open the file on a machine with one", err=True)


@app.command()
def doctor() -> None:
    """Print versions, processors, compiler, Flower services, disk and extras; name problems.

    The exit code is 1 where something would stop a run.
    """
    with ending():
        from rich.table import Table

        from experiments.housekeeping import doctor as found
        from fedrec.runs.plain_text import plain

        console = terminal()
        parts = {
            "versions": found.versions,
            "machine": found.machine,
            "disk": found.disk,
            "extras": found.extras,
        }
        for title, facts in parts.items():
            table = Table.grid(padding=(0, 2, 0, 0))
            table.add_column(min_width=21)
            for name, text in facts().items():
                table.add_row(f"  {plain(name)}", plain(text))
            console.print(title, style="bold")
            console.print(table)
        problems = list(found.problems())
        for problem in problems:
            typer.echo(f"problem: {plain(problem)}")
        if problems:
            raise typer.Exit(1)
        typer.echo("no problem found")


@app.command()
def clean(
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="KIND",
            help="What to remove: caches, logs, checkpoints or downloads. May be repeated; by "
            "default all but the downloads.",
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove it; without this, only say so.")
    ] = False,
) -> None:
    """Remove caches, logs and the checkpoints of runs that are done, below FEDREC_HOME.

    Without --yes it says what it would remove, and removes nothing.
    """
    with ending():
        from rich.table import Table

        from experiments.housekeeping.clean import removable, remove
        from experiments.housekeeping.sizes import shown_bytes

        found = removable(only or ())
        if not found:
            typer.echo("nothing to remove")
            return
        table = Table.grid(padding=(0, 2, 0, 0))
        for one in found:
            what = f"{one.what} (stays: {one.kept})" if one.kept else one.what
            table.add_row(shown_bytes(one.size), str(one.path), what)
        terminal().print(table)
        if yes:
            typer.echo(f"removed {shown_bytes(remove(found))}")
            return
        total = sum(one.size for one in found if not one.kept)
        typer.echo(f"{shown_bytes(total)} would be removed; `fedrec clean --yes` removes it")


@config.command()
def explain(
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="Key such as local.epochs, or a section: local.")
    ],
) -> None:
    """Print what a config key means: type, default, allowed values, presets that set it.

    KEY is a dotted key, or a section.
    """
    with ending():
        from rich.table import Table

        from experiments.housekeeping.explain import explained, found_keys

        console = terminal()
        found = found_keys(key)
        if len(found) > 1:
            table = Table.grid(padding=(0, 2, 0, 0))
            for one in found:
                table.add_row(one.name, one.meaning)
            console.print(table)
            return
        console.print(found[0].name, style="bold")
        table = Table.grid(padding=(0, 2, 0, 0))
        for name, text in explained(found[0]):
            table.add_row(f"  {name}", text)
        console.print(table)
