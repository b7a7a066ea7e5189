"""What `fedrec run` shows of DUALRec's later stages."""

from pathlib import Path

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from experiments.cli.signals import item_bar
from experiments.cli.terminal import print_path, terminal
from experiments.dualrec.stages import run_stages
from experiments.dualrec.table import METRICS
from fedrec.config.config import Config
from fedrec.llm.smollm2 import is_smollm2


def later_stages(folder: Path, config: Config, *, trust: bool) -> None:
    """Run the stages after the first; show their table and where it lies.

    Raises:
        FedrecError: As ``run_stages``.
    """
    if is_smollm2(config.dualrec.language_model) or config.dualrec.language_model == "smollm2":
        typer.echo(
            "warning: SmolLM2-135M is far too small to rank films: it shows that the path works"
        )
    with item_bar(config.dualrec.users) as advance:
        finished = run_stages(folder, config.dualrec, trust=trust, advance=advance)
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0))
    table.add_column("lists", overflow="fold")
    for metric in METRICS:
        table.add_column(metric, justify="right", no_wrap=True)
    for row in finished.rows:
        figures = [row.figures.get(metric) for metric in METRICS]
        table.add_row(row.name, *(f"{one['value']:.4f}" if one else "" for one in figures))
    terminal().print(table)
    print_path("stages", finished.folder / "table.md")
