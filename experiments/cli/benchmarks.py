"""Commands about published tables: benchmark, leaderboard."""

from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import Sets
from experiments.cli.terminal import ending, print_path, terminal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from experiments.benchmarks.suite import Row, Suite

app = typer.Typer()


@app.command()
def benchmark(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|FILE.toml]", help="Benchmark; without it, a list of them."),
    ] = None,
    rows: Annotated[
        list[str] | None,
        typer.Option(
            "--row", metavar="ROW", help="Row to run. May be repeated; by default all of them."
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="Number of seeds of trained models, from 0 on; by default the row's."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="PATH", help="Your copy of the data, as data.source."),
    ] = None,
    sets: Sets = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", metavar="FOLDER", help="Folder of all runs; by default one named after it."
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(help="Number of runs at a time. By default one for each usable core."),
    ] = None,
    list_rows: Annotated[
        bool, typer.Option("--list", help="List the rows, and which are complete; run none.")
    ] = False,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Write the table of what is there; run none.")
    ] = False,
) -> None:
    """Make a table of the documentation again, and hold it against the figures expected.

    The same command goes on where it was killed.
    """
    with ending():
        from experiments.benchmarks.suite import chosen_rows, read_suite, suite_names

        if name is None:
            for known in suite_names():
                typer.echo(f"{known:<12} {read_suite(known).about}")
            return
        from experiments.benchmarks.plan import other_settings, plan_benchmark
        from experiments.benchmarks.run import benchmark_folder, make_benchmark, measured_rows
        from experiments.benchmarks.written import records, write_benchmark
        from experiments.benchmarks.written import terminal as table
        from experiments.sweep.making import Room
        from experiments.sweep.progress import progress

        suite = read_suite(name)
        chosen = chosen_rows(suite, rows or ())
        folder = benchmark_folder(suite, out)
        if list_rows:
            _list(suite, chosen, folder)
            return
        room = Room(jobs=jobs)
        room.check()
        planned = plan_benchmark(
            suite, chosen, out=folder, data=data or "", sets=sets or (), seeds=seeds
        )
        console = terminal()
        failed = {}
        if not report_only:
            failed = make_benchmark(
                planned, folder, room, lambda runs, there: progress(runs, there, console)
            )
        found = measured_rows(chosen, planned, is_other=bool(other_settings(sets or ())))
        console.print(table(suite, records(found), console))
        if folder.is_dir():
            print_path("table", write_benchmark(suite, found, folder))
        if failed:
            typer.echo(f"error: {len(failed)} runs failed; the lines above say why", err=True)
            raise typer.Exit(1)


@app.command()
def leaderboard(
    folders: Annotated[
        list[str],
        typer.Argument(
            metavar="FOLDER...",
            help="Folders of runs, folders that hold such, or names under the runs of FEDREC_HOME.",
        ),
    ],
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE.md", help="Markdown file to write.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show complete runs by model and federation, a table for each dataset and protocol.

    Seeds of one config are one row. What is not complete is left out, and named.
    """
    with ending():
        import json
        from pathlib import Path

        from experiments.benchmarks.found import complete_runs
        from experiments.resume import run_folder
        from fedrec.files.atomic import write_file
        from fedrec.report.leaderboard.entries import sections
        from fedrec.report.leaderboard.written import markdown, record
        from fedrec.report.leaderboard.written import terminal as tables

        runs, left_out = complete_runs([run_folder(folder) for folder in folders])
        for line in left_out:
            typer.echo(line, err=True)
        found = sections(runs)
        if as_json:
            typer.echo(json.dumps(record(found), indent=1))
        else:
            console = terminal()
            console.print(tables(found, console))
        if out is not None:
            write_file(Path(out), markdown(found).encode())
            print_path("page", Path(out))


def _list(suite: "Suite", rows: "Sequence[Row]", folder: "Path") -> None:
    """Every row with its seeds, and how many of them are complete."""
    from experiments.benchmarks.run import is_complete_folder
    from fedrec.report.ablation.columns import short

    typer.echo(f"{suite.about}\ndata: {suite.source or 'yours, by --data'}; {suite.get}")
    for row in rows:
        places = [folder / f"{row.name}-seed{seed}" for seed in range(row.seeds)]
        done = sum(map(is_complete_folder, places))
        main = row.expected.values.get("NDCG@10") if row.expected else None
        expected = "not measured yet" if main is None else f"expected {short(main)}"
        typer.echo(f"{row.name:<26} {done} of {row.seeds} seeds, {expected}: {row.about}")
