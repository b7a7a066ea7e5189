"""Commands about one run: run, resume, verify, report, baseline."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import (
    Address,
    Out,
    Overwrite,
    Quiet,
    RunFolder,
    SameEngine,
    Seed,
    Sets,
    Source,
    Trust,
    Workers,
)
from experiments.cli.terminal import (
    ending,
    once_told,
    print_path,
    show_end,
    show_fallback,
    show_table,
    terminal,
    typed,
)

if TYPE_CHECKING:
    from experiments.engines.run import How
    from fedrec.report.live import LiveRounds

app = typer.Typer()
OLD_KINDS = {"central": "centralised", "local": "local-only"}  # until 0.1


def _how(live: "LiveRounds", workers: int | None, address: str | None) -> "How":
    """How a command's run is carried, and shown as it goes."""
    return {
        "command": typed(),
        "workers": workers,
        "address": address,
        "on_round": live.add,
        "on_wait": live.wait,
    }


def _followed(
    run: str, *, trust: bool, quiet: bool, rounds: int | None = None
) -> "tuple[Path, LiveRounds]":
    """The folder of an earlier run, and the display of its rounds while they are repeated."""
    from experiments.resume import config_of, run_folder
    from fedrec.report.live import LiveRounds

    folder = run_folder(run)
    config = config_of(folder, trust=trust)
    last = rounds or config.federation.rounds
    return folder, LiveRounds(terminal(), config.protocol_names[0], quiet=quiet, rounds=last)


@app.command()
def run(
    source: Source = None,
    sets: Sets = None,
    engine: Annotated[
        str, typer.Option(help="Engine that carries the messages: flower, ray, or inline.")
    ] = "flower",
    workers: Workers = None,
    address: Address = None,
    partitions: Annotated[
        int | None, typer.Option(help="Number of partitions of the users (partition.count).")
    ] = None,
    out: Out = None,
    seed: Seed = None,
    name: Annotated[str | None, typer.Option(help="Name of the run and of its folder.")] = None,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue the run in the folder from its last checkpoint."),
    ] = False,
    trust: Trust = False,
    quiet: Quiet = False,
) -> None:
    """Train a model by federated learning; write a run folder with a report.

    PRESET is a name that `fedrec presets` lists, FILE.toml a config of your own.
    """
    with ending():
        from experiments.engines.run import run as run_federation
        from experiments.settings import resolve

        options = {
            "partition.count": partitions,
            "run.dir": out,
            "seed": seed,
            "run.name": name,
            "run.overwrite": overwrite or None,
            "run.resume": resume or None,
        }
        config = resolve(source, sets or (), options, trust=trust)
        if config.dualrec.language_model:
            from experiments.dualrec.stages import check_stages

            check_stages(config.dualrec)
        console = terminal()
        from fedrec.report.live import LiveRounds

        shown = LiveRounds(
            console, config.protocol_names[0], quiet=quiet, rounds=config.federation.rounds
        )
        with shown as live:
            how = _how(live, workers, address)
            told = once_told(lambda: show_fallback(config, quiet=quiet))
            how["on_round"], how["on_wait"] = told(live.add), told(live.wait)
            folder = run_federation(config, engine=engine, **how)
        show_end(console, folder, quiet=quiet)
        if config.dualrec.language_model:
            from experiments.cli.dualrec import later_stages

            later_stages(folder, config, trust=trust)


@app.command()
def resume(
    run: RunFolder,
    rounds: Annotated[
        int | None,
        typer.Option(help="Number of rounds in all to go on to; a complete run may have more."),
    ] = None,
    engine: SameEngine = None,
    workers: Workers = None,
    address: Address = None,
    accept_code_change: Annotated[
        bool,
        typer.Option(
            "--accept-code-change",
            help="Continue under other code or versions; run.json records it.",
        ),
    ] = False,
    trust: Trust = False,
    quiet: Quiet = False,
) -> None:
    """Continue an interrupted run from its last checkpoint, with the same result.

    With --rounds, a complete run goes on, too.

    RUN is the folder of a run, or its name under the runs of FEDREC_HOME.
    """
    with ending():
        from experiments.resume import config_of, where_it_goes_on
        from experiments.resume import resume as resume_run
        from server.checkpoints.extension import with_rounds

        folder, live = _followed(run, trust=trust, quiet=quiet, rounds=rounds)
        further = None if rounds is None else with_rounds(config_of(folder, trust=trust), rounds)
        for line in where_it_goes_on(folder, further):
            typer.echo(line, err=quiet)
        with live:
            resume_run(
                folder,
                engine=engine,
                rounds=rounds,
                accept_code_change=accept_code_change,
                trust=trust,
                **_how(live, workers, address),
            )
        show_end(terminal(), folder, quiet=quiet)


@app.command()
def verify(
    run: RunFolder,
    engine: SameEngine = None,
    workers: Workers = None,
    address: Address = None,
    trust: Trust = False,
    quiet: Quiet = False,
) -> None:
    """Repeat a run and compare the results byte by byte; exit code 1 if they differ.

    RUN is the folder of a run, or its name under the runs of FEDREC_HOME.
    """
    with ending():
        from experiments.reproducibility.verify import verify as verify_run
        from fedrec.runs.record import read_run

        folder, live = _followed(run, trust=trust, quiet=quiet)
        with live:
            found = verify_run(
                folder,
                engine=engine,
                trust=trust,
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
        typer.Option(
            "--reference",
            metavar="RUN",
            help="Another run to show beside this one, by its curve. May be repeated.",
        ),
    ] = None,
    examples: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Show the histories of N users beside their first ten recommendations: "
            "personal data, so nobody by default.",
        ),
    ] = 0,
    png: Annotated[
        bool, typer.Option("--png", help="Write every figure as PNG, too, beside the SVG.")
    ] = False,
    trust: Trust = False,
) -> None:
    """Write report.html and figures of a run, beside baselines and other runs.

    RUN is the folder of a run, or its name under the runs of FEDREC_HOME.
    """
    with ending():
        from experiments.resume import run_folder
        from fedrec.report.page import write_report
        from fedrec.runs.record import read_run

        folder, others = run_folder(run), [run_folder(one) for one in references or ()]
        people = []
        if examples:
            from fedrec.inference.examples import example_users

            people = example_users(read_run(folder), examples, trust=trust)
        print_path("report", write_report(folder, others, people, png=png))


@app.command()
@app.command("reference", hidden=True)  # its name until 0.1
def baseline(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Kind of baseline.")],
    source: Source = None,
    sets: Sets = None,
    out: Out = None,
    seed: Seed = None,
    overwrite: Overwrite = False,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of threads; another number gives other sums. By default OMP_NUM_THREADS, "
            "else all usable cores.",
        ),
    ] = None,
    trust: Trust = False,
) -> None:
    """Run a baseline of a federated run, with the same evaluation.

    KIND is centralised, local-only, popularity, item-knn, recent-item-knn, v-sknn, ease, slim,
    lightgcn, markov or nearest-text.
    """
    with ending():
        from experiments.baselines.run import check_kind, run_baseline
        from experiments.settings import resolve
        from fedrec.factory.run_folder import run_path
        from fedrec.report.live import LiveRounds
        from fedrec.runs.directory import check_room

        kind = OLD_KINDS.get(kind, kind)
        check_kind(kind)
        options = {"run.dir": out, "seed": seed, "run.overwrite": overwrite or None}
        config = resolve(
            source, sets or (), options, centralised=kind == "centralised", trust=trust
        )
        folder = run_path(config)
        folder = folder if config.run.dir else folder.with_name(f"{folder.name}-{kind}")
        check_room(folder, overwrite=config.run.overwrite)
        console = terminal()
        told = once_told(lambda: show_fallback(config, quiet=False))
        with LiveRounds(console, config.protocol_names[0]) as live:
            folder = run_baseline(kind, config, folder, told(live.add), told(live.wait), threads)
        show_table(console, folder)
        print_path("folder", folder)
