"""Command quickstart: a first federation, beside what it is to be compared with."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.cli.options import Overwrite
from experiments.cli.terminal import ending, print_path, terminal, typed

app = typer.Typer()


@app.command()
def quickstart(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="Folder of the three runs; runs/quickstart of FEDREC_HOME by default.",
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Run a first federation on embedded data, beside clients alone and all data in one place.

    It takes less than a minute of two cores, and fetches nothing.
    """
    with ending():
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        from experiments.quickstart import METRICS
        from experiments.quickstart import quickstart as run_quickstart
        from fedrec.files.home import home
        from fedrec.report.live import LiveRounds

        console = terminal()
        folder = (out or home() / "runs" / "quickstart").expanduser().absolute()
        with contextlib.ExitStack() as shown:

            def on_step(name: str, protocol: str) -> Callable[[dict[str, Any]], None]:
                shown.close()
                console.print(f"\n[bold]{name}[/bold]")
                return shown.enter_context(LiveRounds(console, protocol)).add

            done = run_quickstart(folder, overwrite=overwrite, command=typed(), on_step=on_step)
        table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), title="test items, full ranking")
        table.add_column("")
        for metric in METRICS:
            table.add_column(metric, justify="right", no_wrap=True)
        for row in done.rows:
            cells = (_cell(row.figures.get(metric)) for metric in METRICS)
            table.add_row(row.name, *cells)
        console.print()
        console.print(table)
        print_path("report", done.report)
        federated = done.report.parent
        typer.echo("next:")
        typer.echo(f"  fedrec recommend {federated} --user u0")
        typer.echo(f"  fedrec compare {federated} {federated.with_name('centralised')}")
        typer.echo("  fedrec run ml-1m          # MovieLens-1M, after `fedrec data get ml-1m`")


def _cell(figure: dict[str, float] | None) -> str:
    if figure is None:
        return ""
    if "low" not in figure:
        return f"{figure['value']:.3f}"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
