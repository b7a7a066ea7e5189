"""The ``fedrec`` command. Thin: it reads words, calls a function, prints what came of it."""

from typing import TYPE_CHECKING, Annotated

import typer

from experiments.terminal import (
    ending,
    print_path,
    show_end,
    show_fallback,
    terminal,
    typed,
)
from server.interrupts import end_by_signals

if TYPE_CHECKING:
    from experiments.run import How
    from fedrec.report.live import LiveRounds

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
RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or its name.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print what counts only: no table.")]
OtherEngine = Annotated[
    str | None, typer.Option("--engine", help="flower, inline or ray; by default the run's own.")
]
Workers = Annotated[
    int | None, typer.Option(help="Ray workers (engine ray); all usable cores by default.")
]
Address = Annotated[
    str | None, typer.Option(help="Ray cluster (engine ray): auto, or host:port of its head.")
]
REFERENCES = (
    "local (each client alone), central (all data in one place), or one that trains nothing: "
    "popularity, item-knn, recent-item-knn, nearest-text."
)
Out = Annotated[str | None, typer.Option("--out", help="The run folder to make.")]


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
        from experiments.run import run as run_federation
        from experiments.settings import resolve

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
        from experiments.resume import config_of, run_folder, where_it_goes_on
        from experiments.resume import resume as resume_run
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
        from experiments.resume import config_of, run_folder
        from experiments.verify import verify as verify_run
        from fedrec.report.history import read_run
        from fedrec.report.live import LiveRounds

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
        from experiments.resume import run_folder
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
        from experiments.references import check_kind
        from experiments.references import reference as make_reference
        from experiments.settings import resolve
        from fedrec.report.history import read_run
        from fedrec.report.live import LiveRounds
        from fedrec.report.tables import final_table
        from server.place import check_room, run_path

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
        from experiments.ablation import ablate as make_runs
        from experiments.ablation import ablation_folder
        from experiments.ablation_progress import progress
        from fedrec.report.ablation import write_ablation

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

        from experiments.recommend import recommend as recommended
        from experiments.recommend import shown
        from experiments.resume import run_folder
        from fedrec.errors import ConfigError
        from fedrec.sections.names import names_in

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
        typer.echo(f"{name:<15} {about_preset(name)}")


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


def main() -> None:
    """Entry point of the console command."""
    end_by_signals()
    app()


if __name__ == "__main__":
    main()
