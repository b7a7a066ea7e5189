"""Options that several commands take."""

from typing import Annotated

import typer

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
Out = Annotated[str | None, typer.Option("--out", help="The run folder to make.")]
