"""Commands that make many runs, or use what one has learned: ablate, recommend."""

from typing import Annotated

import typer

from experiments.cli.options import RunFolder, Sets, Source
from experiments.cli.terminal import (
    ending,
    print_path,
    terminal,
    typed,
)

app = typer.Typer()


@app.command()
def ablate(
    source: Source = None,
    sets: Sets = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="GROUP[,GROUP]", help="Of the grid; by default all of it."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many, from 0; group headline runs 3.")] = 1,
    central: Annotated[
        bool, typer.Option("--central", help="Train in one place instead of federated.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(help="Runs at a time; one per usable core by default.")
    ] = None,
    out: Annotated[str | None, typer.Option("--out", help="The folder for all its runs.")] = None,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Only make tables and bars of what is there.")
    ] = False,
) -> None:
    """Run a preset's variants, as many at a time as there are cores, and compare them in pairs."""
    with ending():
        from experiments.ablation.progress import progress
        from experiments.ablation.run import ablate as make_runs
        from experiments.ablation.run import ablation_folder
        from fedrec.report.ablation.summary import write_ablation

        folder, failed = ablation_folder(source, out, central=central), {}
        if not report_only:
            failed = make_runs(
                source,
                sets or (),
                out=folder,
                command=typed(),
                central=central,
                only=only or (),
                seeds=seeds,
                workers=workers,
                show=lambda tasks, there: progress(tasks, there, terminal()),
            )
        console = terminal()
        console.print(write_ablation(folder, console))
        print_path("tables", folder / "ablation.md")
        if failed:
            typer.echo(f"error: {len(failed)} runs failed; the last lines above say why", err=True)
            raise typer.Exit(1)


@app.command()
def recommend(
    run: RunFolder,
    user: Annotated[str | None, typer.Option(help="Whom to recommend to: an original id.")] = None,
    history: Annotated[
        str | None, typer.Option(metavar="ID,ID,...", help="Items instead, the newest last.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many items.")] = 10,
    new: Annotated[
        str | None, typer.Option(metavar="TITLE", help="An item that no training has seen.")
    ] = None,
    new_genres: Annotated[str, typer.Option(metavar="A,B", help="Its genres.")] = "",
    new_year: Annotated[int | None, typer.Option(help="Its year, if not in the title.")] = None,
    new_description: Annotated[str, typer.Option(help="Its description.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Print the best next items of a user, and where a new item would stand."""
    with ending():
        import json

        from experiments.cli.recommend import recommend as recommended
        from experiments.cli.recommend import shown
        from experiments.engines.resume import run_folder
        from fedrec.config.choices import names_in
        from fedrec.errors import ConfigError

        if new is None and (new_genres or new_year is not None or new_description):
            raise ConfigError("--new-genres, --new-year and --new-description need --new TITLE")
        item = {
            "titles": new,
            "genres": names_in(new_genres),
            "years": new_year,
            "descriptions": new_description,
        }
        answer = recommended(run_folder(run), user, history, k, None if new is None else item)
        if as_json:
            typer.echo(json.dumps(answer, indent=1))
            return
        console = terminal()
        for part in shown(answer):
            console.print(part)
