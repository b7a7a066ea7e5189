"""Commands about one run: run, resume, verify, report, reference."""

from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import (
    Address,
    OtherEngine,
    Out,
    Quiet,
    RunFolder,
    Sets,
    Source,
    Workers,
)
from experiments.cli.terminal import (
    ending,
    print_path,
    show_end,
    show_fallback,
    terminal,
    typed,
)

if TYPE_CHECKING:
    from experiments.engines.run import How
    from fedrec.report.live import LiveRounds

app = typer.Typer()
REFERENCES = (
    "local (each client alone), central (all data in one place), or one that trains nothing: "
    "popularity, item-knn, recent-item-knn, nearest-text."
)


def _how(live: "LiveRounds", workers: int | None, address: str | None) -> "How":
    """How a command's run is carried, and shown as it goes."""
    return {
        "command": typed(),
        "workers": workers,
        "address": address,
        "on_round": live.add,
        "on_wait": live.wait,
    }


@app.command()
def run(
    source: Source = None,
    sets: Sets = None,
    engine: Annotated[str, typer.Option(help="flower, ray, or inline: this process.")] = "flower",
    workers: Workers = None,
    address: Address = None,
    partitions: Annotated[int | None, typer.Option(help="partition.count")] = None,
    out: Out = None,
    seed: Annotated[int | None, typer.Option(help="seed")] = None,
    name: Annotated[str | None, typer.Option(help="run.name, a folder's name.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the folder, if there is one.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Run a federation and write its run folder with a report."""
    with ending():
        from experiments.cli.settings import resolve
        from experiments.engines.run import run as run_federation

        options = {
            "partition.count": partitions,
            "run.dir": out,
            "seed": seed,
            "run.name": name,
            "run.overwrite": overwrite or None,
            "run.resume": resume or None,
        }
        config = resolve(source, sets or (), options)
        show_fallback(config, quiet=quiet)
        console = terminal()
        from fedrec.report.live import LiveRounds

        with LiveRounds(console, config.protocol_names[0], quiet=quiet) as live:
            folder = run_federation(
                config,
                engine=engine,
                **_how(live, workers, address),
            )
        show_end(console, folder, quiet=quiet)


@app.command()
def resume(
    run: RunFolder,
    engine: OtherEngine = None,
    workers: Workers = None,
    address: Address = None,
    accept_code_change: Annotated[
        bool, typer.Option("--accept-code-change", help="Go on under other code; recorded.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Go on with a run that was killed or stopped, to the bytes of an uninterrupted one."""
    with ending():
        from experiments.engines.resume import config_of, run_folder, where_it_goes_on
        from experiments.engines.resume import resume as resume_run
        from fedrec.report.live import LiveRounds

        folder = run_folder(run)
        console = terminal()
        protocol = config_of(folder).protocol_names[0]
        for line in where_it_goes_on(folder):
            typer.echo(line, err=quiet)
        with LiveRounds(console, protocol, quiet=quiet) as live:
            resume_run(
                folder,
                engine=engine,
                accept_code_change=accept_code_change,
                **_how(live, workers, address),
            )
        show_end(console, folder, quiet=quiet)


@app.command()
def verify(
    run: RunFolder,
    engine: OtherEngine = None,
    workers: Workers = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Run a folder's config again and compare byte by byte; exit code 1 if anything differs."""
    with ending():
        from experiments.engines.resume import config_of, run_folder
        from experiments.reproducibility.verify import verify as verify_run
        from fedrec.report.live import LiveRounds
        from fedrec.runs.record import read_run

        folder = run_folder(run)
        console = terminal()
        protocol = config_of(folder).protocol_names[0]
        with LiveRounds(console, protocol, quiet=quiet) as live:
            found = verify_run(
                folder,
                engine=engine,
                **_how(live, workers, address),
            )
        for line in found:
            typer.echo(f"differs: {line}", err=True)
        if found:
            raise typer.Exit(1)
        left = read_run(folder).no_model
        typer.echo(f"verified: {folder}: same bytes, same history" + (f" ({left})" if left else ""))


@app.command()
def report(
    run: RunFolder,
    references: Annotated[
        list[str] | None,
        typer.Option("--reference", metavar="RUN", help="Another run to show beside it."),
    ] = None,
) -> None:
    """Write figures and report.html from run folders alone."""
    with ending():
        from experiments.engines.resume import run_folder
        from fedrec.report.page import write_report

        others = [run_folder(one) for one in references or ()]
        print_path("report", write_report(run_folder(run), others))


@app.command()
def reference(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=REFERENCES)],
    source: Source = None,
    sets: Sets = None,
    out: Out = None,
    seed: Annotated[int | None, typer.Option(help="seed")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run.")] = False,
) -> None:
    """Make what a federation is compared with, with the same evaluation."""
    with ending():
        from experiments.cli.settings import resolve
        from experiments.references.references import check_kind
        from experiments.references.references import reference as make_reference
        from fedrec.report.live import LiveRounds
        from fedrec.report.tables import final_table
        from fedrec.runs.record import read_run
        from server.lifecycle.run_directory import check_room, run_path

        check_kind(kind)
        options = {"run.dir": out, "seed": seed, "run.overwrite": overwrite or None}
        config = resolve(source, sets or (), options, central=kind == "central")
        folder = run_path(config)
        folder = folder if config.run.dir else folder.with_name(f"{folder.name}-{kind}")
        check_room(folder, overwrite=config.run.overwrite)
        show_fallback(config, quiet=False)
        console = terminal()
        with LiveRounds(console, config.protocol_names[0]) as live:
            folder = make_reference(kind, config, folder, live.add, live.wait)
        console.print(final_table(read_run(folder)))
        print_path("folder", folder)
