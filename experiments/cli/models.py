"""Commands that use a trained model: recommend, similar, export, demo."""

from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.cli.options import RunFolder, Trust
from experiments.cli.terminal import ending, print_path, terminal

app = typer.Typer()
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@app.command()
def recommend(
    run: RunFolder,
    user: Annotated[
        str | None, typer.Option(help="Original id of the user to recommend to.")
    ] = None,
    history: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ITEM|ITEM|...",
            help='Ids or titles of items, the newest last, such as "Alien|Aliens"; instead of '
            "--user. Ids may have commas between. May be repeated.",
        ),
    ] = None,
    history_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the items of --history, one a line."),
    ] = None,
    all_users: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the lists of all users to a .csv or .parquet file."
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Number of items to recommend.")] = 10,
    new: Annotated[
        str | None,
        typer.Option(metavar="TITLE", help="Title of a new item, which training has not seen."),
    ] = None,
    new_genres: Annotated[str, typer.Option(metavar="A,B", help="Genres of the new item.")] = "",
    new_year: Annotated[int | None, typer.Option(help="Year of the new item.")] = None,
    new_description: Annotated[str, typer.Option(help="Description of the new item.")] = "",
    as_json: Json = False,
    trust: Trust = False,
) -> None:
    """Recommend next items to a user or a typed history, and rank a new item for them.

    Items of the history are left out. RUN is the folder of a run, or its name under the runs of
    FEDREC_HOME, or the folder of an exported model.
    """
    with ending():
        from experiments.recommend.answer import recommend as recommended
        from experiments.recommend.opened import open_run
        from experiments.recommend.shown import shown
        from fedrec.config.values.choices import names_in
        from fedrec.errors import ConfigError

        if new is None and (new_genres or new_year is not None or new_description):
            raise ConfigError("--new-genres, --new-year and --new-description need --new TITLE")
        if all_users is not None:
            if user is not None or history or history_file or new is not None or as_json:
                raise ConfigError(
                    "--all-users FILE goes with -k and --trust alone; it writes a list for every "
                    "user of the run"
                )
            _write_all(run, all_users, k, trust=trust)
            return
        item: dict[str, Any] = {
            "titles": new,
            "genres": names_in(new_genres),
            "years": new_year,
            "descriptions": new_description,
        }
        answer = recommended(
            open_run(run, trust=trust),
            user,
            history or (),
            k,
            None if new is None else item,
            history_file,
        )
        _print(answer, shown, as_json=as_json)


@app.command()
def similar(
    run: RunFolder,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="Id or title of an item.")],
    k: Annotated[int, typer.Option("-k", help="Number of items to show.")] = 10,
    as_json: Json = False,
    trust: Trust = False,
) -> None:
    """Show the items whose embeddings are nearest to that of an item.

    RUN is the folder of a run, or its name under the runs of FEDREC_HOME, or the folder of an
    exported model.
    """
    with ending():
        from experiments.recommend.answer import similar as nearest
        from experiments.recommend.opened import open_run
        from experiments.recommend.shown import similar_shown

        answer = nearest(open_run(run, trust=trust), item, k)
        _print(answer, similar_shown, as_json=as_json)


@app.command()
def export(
    run: RunFolder,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The new folder.")],
    to: Annotated[
        str,
        typer.Option(
            metavar="folder|onnx|pte",
            help="Program beside the weights: folder for torch's, onnx for ONNX Runtime, pte for "
            "ExecuTorch.",
        ),
    ] = "folder",
    trust: Trust = False,
) -> None:
    """Write the model of a run as a folder to carry away, without any interaction.

    RUN is the folder of a run, or its name under the runs of FEDREC_HOME.
    """
    with ending():
        from experiments.resume import run_folder
        from fedrec.inference.export import TOP, export_model
        from fedrec.inference.formats import FORMATS
        from fedrec.inference.opening import open_recommender

        folder = out.expanduser().absolute()
        found = export_model(open_recommender(run_folder(run), trust=trust), folder, to)
        typer.echo(
            f"{FORMATS[to].file} beside fedrec, {found.histories} histories: the same top {TOP} "
            f"for {found.same_items}; scores differ by {found.difference:.2g} at most (the largest "
            f"is {found.scale:.3g}); {found.milliseconds:.1f} ms a history; "
            f"{found.bytes / 1e6:.1f} MB"
        )
        print_path("model", folder)


@app.command()
def demo(
    run: RunFolder,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    trust: Trust = False,
) -> None:
    """Serve a page on this machine: lists side by side, a new item, what left the devices.

    RUN is the folder of a run, or its name under the runs of FEDREC_HOME, or the folder of an
    exported model. Ctrl-C ends it.
    """
    with ending():
        from experiments.demo.serve import serve
        from experiments.recommend.opened import open_run

        def told(address: str) -> None:
            typer.echo(f"demo: {address}")
            typer.echo("Ctrl-C ends it.")

        serve(open_run(run, trust=trust), port, told)


def _print(answer: dict[str, Any], shown: Any, *, as_json: bool) -> None:
    """An answer as JSON, or what the terminal shows of it."""
    import json

    if as_json:
        typer.echo(json.dumps(answer, indent=1))
        return
    console = terminal()
    for part in shown(answer):
        console.print(part)


def _write_all(run: str, path: Path, k: int, *, trust: bool) -> None:
    """The lists of all users, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from experiments.recommend.all_users import write_all_users
    from experiments.recommend.opened import open_run

    path = path.expanduser().absolute()
    opened = open_run(run, trust=trust)
    console = Console(stderr=True)
    columns = (TextColumn("users"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("users", total=len(opened.shared.dataset.user_ids))
        count = write_all_users(
            opened, path, k, lambda done, total: bar.update(task, completed=done, total=total)
        )
    typer.echo(f"lists of {count:,} users, {k} items each")
    print_path("table", path)
