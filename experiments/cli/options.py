"""Options that several commands take."""

from typing import Annotated

import typer


def presets_like(incomplete: str) -> list[str]:
    """Presets that a shell offers after what is typed."""
    from experiments.presets import preset_names

    return [name for name in preset_names() if name.startswith(incomplete)]


def runs_like(incomplete: str) -> list[str]:
    """Names of runs under FEDREC_HOME that a shell offers after what is typed."""
    from fedrec.files.home import home

    found = (path.parent.name for path in (home() / "runs").glob("*/run.json"))
    return sorted(name for name in found if name.startswith(incomplete))


def keys_like(incomplete: str) -> list[str]:
    """Config keys with "=" that a shell offers after what is typed."""
    from fedrec.config.config import Config
    from fedrec.config.keys import flatten

    return [f"{key}=" for key in flatten(Config()) if key.startswith(incomplete)]


Source = Annotated[
    str | None,
    typer.Argument(
        metavar="[PRESET|FILE.toml]",
        help="Preset (`fedrec presets` lists them) or config file; the defaults without it.",
        autocompletion=presets_like,
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set a config key (`fedrec keys` lists them). May be repeated; the last one wins.",
        autocompletion=keys_like,
    ),
]
RunFolder = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Folder of a run, or its name under the runs of FEDREC_HOME.",
        autocompletion=runs_like,
    ),
]
Out = Annotated[
    str | None,
    typer.Option(
        "--out", metavar="FOLDER", help="Folder to write the run to; a new one by default."
    ),
]
Seed = Annotated[int | None, typer.Option(help="Seed of all random numbers of the run.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the run that the folder holds.")
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust", help="Import the modules that the run's config names; they run with your rights."
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", help="Print the result alone, without the table of rounds.")
]
SameEngine = Annotated[
    str | None,
    typer.Option("--engine", help="Engine: flower, inline or ray. By default the run's own."),
]
Workers = Annotated[
    int | None,
    typer.Option(help="Number of Ray workers, with --engine ray. By default all usable cores."),
]
Address = Annotated[
    str | None,
    typer.Option(help="Ray cluster to use, with --engine ray: auto, or host:port of its head."),
]
