"""Command sweep: any keys x presets x seeds, compared at the end."""

from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import Sets, Trust
from experiments.cli.terminal import ending, print_path, terminal, typed

if TYPE_CHECKING:
    from rich.console import Console

    from experiments.sweep.compared import Compared
    from experiments.sweep.plan import Plan
    from experiments.sweep.run import Left

app = typer.Typer()


@app.command()
def sweep(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[GRID|GRID.toml|PRESET|FILE.toml]",
            help="Grid of ours or file of a grid; or preset or config file, with --grid.",
        ),
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            "--grid",
            metavar="KEY=A,B",
            help="Vary a config key over these values. May be repeated: all combinations are run, "
            "and the first one's values are compared.",
        ),
    ] = None,
    presets: Annotated[
        list[str] | None,
        typer.Option(
            "--preset",
            metavar="PRESET",
            help="Run the grid on this preset instead of its own. May be repeated, for several.",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="Number of seeds, from 0 on. By default the grid's own, or 1."),
    ] = None,
    sets: Sets = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="Folder of all runs and of compare.html; by default one named after the grid.",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Number of runs at a time; 1 needs no Ray. By default as many as there is room "
            "for."
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="Ray cluster to run on: auto, or host:port of its head."),
    ] = None,
    cpus: Annotated[
        float, typer.Option(help="Number of CPUs that a run takes, such as 0.5.")
    ] = 1.0,
    gpus: Annotated[
        float,
        typer.Option(help="Number of GPUs that a run takes; 0.25 lets four runs share one."),
    ] = 0.0,
    max_runs: Annotated[
        int, typer.Option(help="Number of runs that a grid is not to exceed.")
    ] = 100,
    prune: Annotated[
        str | None,
        typer.Option(
            metavar="median|halving",
            help="Stop configs that fall behind on validation; needs the extra sweep.",
        ),
    ] = None,
    prune_at: Annotated[
        list[int] | None,
        typer.Option(
            metavar="ROUND",
            help="Round at which --prune compares configs. May be repeated; by default the rule's.",
        ),
    ] = None,
    within: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            help="Compare only configs that have the same value of this key. May be repeated; by "
            "default all keys but the first; none compares every config with the first.",
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="Metric to compare. May be repeated; by default NDCG@10, which selects weights.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and list the runs; make none.")
    ] = False,
    trust: Trust = False,
) -> None:
    """Run a grid of configs over seeds, and compare them user by user.

    `fedrec sweep strategies` runs a grid of ours; `fedrec sweep PRESET --grid KEY=A,B` one of your
    own. The same command goes on where it was killed.
    """
    with ending():
        from experiments.sweep.api import prepare
        from experiments.sweep.compared import compare_sweep
        from experiments.sweep.making import Room
        from experiments.sweep.progress import progress
        from experiments.sweep.run import run_sweep

        console = terminal()
        prepared = prepare(
            source,
            grid or (),
            presets=presets or (),
            sets=sets or (),
            seeds=seeds,
            out=out,
            room=Room(jobs=jobs, address=address, cpus=cpus, gpus=gpus),
            max_runs=max_runs,
            prune=prune,
            prune_at=prune_at or (),
            within=() if within == ["none"] else within,
            trust=trust,
        )
        for line in prepared.plan.lines:
            typer.echo(line, err=True)
        if dry_run:
            _list(prepared.plan)
            return
        left = run_sweep(
            prepared.plan,
            prepared.out,
            prepared.room,
            command=typed(),
            show=lambda runs, there: progress(runs, there, console),
            tell=typer.echo,
            pruning=prepared.pruning,
        )
        _show(console, compare_sweep(prepared.plan, prepared.out, metrics or ()), left)
        if left.failed:
            typer.echo(f"error: {len(left.failed)} runs failed; the lines above say why", err=True)
            raise typer.Exit(1)


def _list(plan: "Plan") -> None:
    """Every run, and whether it is there."""
    from experiments.sweep.planned import is_done

    for planned, cell in zip(plan.in_order(), [*plan.cells] * plan.seeds, strict=True):
        state = "complete" if is_done(planned) else "to be run"
        typer.echo(f"{planned.folder.name}  {state}  {cell.name}")


def _show(console: "Console", found: "list[Compared]", left: "Left") -> None:
    """The comparison of each preset, and what is not in it."""
    from rich.text import Text

    from fedrec.report.comparison.text import terminal as tables

    for one in found:
        console.print(Text(f"\n{one.preset}", style="bold") if len(found) > 1 else "")
        console.print(tables(one.comparison, console))
        if one.unpaired:
            console.print(Text(f"Not compared in pairs: {one.unpaired}", style="dim"))
    for name, round in left.pruned.items():
        console.print(Text(f"{name} was stopped after round {round}", style="dim"))
    for name, reason in left.failed.items():
        console.print(Text(f"{name} failed: {reason}", style="red"))
    for one in found:
        print_path("page", one.page)
