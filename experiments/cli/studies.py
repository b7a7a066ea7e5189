"""Commands beyond one run: ablate, compare."""

from typing import Annotated

import typer

from experiments.cli.options import Sets, Source, Trust
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
        typer.Option(
            "--only",
            metavar="GROUP[,GROUP]",
            help="Groups of the grid to run. By default all of them.",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Number of seeds, from 0 on. The group headline runs at least 3.")
    ] = 1,
    centralised: Annotated[
        bool,
        typer.Option("--centralised", help="Train centralised models instead of federated ones."),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(help="Number of runs at a time. By default one for each usable core."),
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FOLDER", help="Folder of all runs.")
    ] = None,
    report_only: Annotated[
        bool,
        typer.Option(
            "--report-only", help="Write tables and bars of the runs there are; run none."
        ),
    ] = False,
    trust: Trust = False,
) -> None:
    """Run an ablation study: variants of a preset, compared in pairs.

    PRESET is a name that `fedrec presets` lists, FILE.toml a config of your own.
    """
    with ending():
        from experiments.ablation.run import ablate as make_runs
        from experiments.ablation.run import ablation_folder
        from experiments.sweep.progress import progress
        from fedrec.report.ablation.summary import write_ablation

        folder, failed = ablation_folder(source, out, centralised=centralised), {}
        if not report_only:
            failed = make_runs(
                source,
                sets or (),
                out=folder,
                command=typed(),
                centralised=centralised,
                only=only or (),
                seeds=seeds,
                workers=workers,
                trust=trust,
                show=lambda tasks, there: progress(tasks, there, terminal()),
            )
        console = terminal()
        console.print(write_ablation(folder, console))
        print_path("tables", folder / "ablation.md")
        if failed:
            typer.echo(f"error: {len(failed)} runs failed; the last lines above say why", err=True)
            raise typer.Exit(1)


@app.command()
def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...", help="Folders of runs, or their names under the runs of FEDREC_HOME."
        ),
    ],
    against: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Group that the others are compared with: its label, a part of it, or one of its "
            "runs. By default that of the first RUN.",
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="Metric to compare, such as NDCG@10. May be repeated; by default all.",
        ),
    ] = None,
    unpaired: Annotated[
        bool,
        typer.Option(
            "--unpaired",
            help="Show each group alone, for runs on other data, protocols or users.",
        ),
    ] = False,
    within: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            help="Compare only groups that have the same value of this key. May be repeated.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="Folder for compare.html, .csv, .md, .tex, .json and figures.",
        ),
    ] = None,
) -> None:
    """Compare complete runs: seeds of one config pooled, configs in pairs, user by user.

    A RUN is the folder of a run, or its name under the runs of FEDREC_HOME.
    """
    with ending():
        from experiments.resume import run_folder
        from fedrec.report.comparison.comparison import compare as compared
        from fedrec.report.comparison.text import terminal as tables

        found = compared(
            [run_folder(one) for one in runs],
            against=against,
            metrics=metrics or (),
            unpaired=unpaired,
            within=within or (),
        )
        console = terminal()
        console.print(tables(found, console))
        if out is not None:
            print_path("page", found.save(out))
