"""Compare two complete runs on the same targets, paired by user.

``python -m experiments.reproducibility.compare RUN OTHER --targets seen`` says what a scenario
costs where it hides nothing: RUN with cold items against OTHER without them, on the users whose
target RUN saw in training. Which targets are cold, seen, few-shot or warm follows from RUN's
training events. ``--partition N`` looks at the users of one partition of RUN, such as a silo.
"""

import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from fedrec.config.values.choices import plain_protocol
from fedrec.errors import ConfigError, DataError, FedrecError
from fedrec.evaluation.metrics import hr, ndcg
from fedrec.evaluation.paired import paired_difference
from fedrec.evaluation.slices import by_training_events
from fedrec.files.arrays import read_npz
from fedrec.runs.checksums import check_files
from fedrec.runs.contents import content_of
from fedrec.runs.record import COMPLETE, read_run

PARTS = ("cold", "few-shot", "warm")  # and "seen": all that are not cold
RESAMPLES = 10_000


def compare(
    run: Path, other: Path, targets: str = "all", partition: int | None = None
) -> dict[str, dict[str, Any]]:
    """HR@10 and NDCG@10 of ``run`` (a) and ``other`` (b) on the same test targets.

    Args:
        run: Folder of a run.
        other: Folder of a run on the same data, ranked by the same protocol.
        targets: "all", or those that were "cold", "seen" (not cold), "few-shot" or "warm" in
            ``run``.
        partition: Partition of ``run`` whose users are compared; all users when None.

    Returns:
        Metric to what ``fedrec.evaluation.paired.paired`` says of it.

    Raises:
        ConfigError: No such part or partition, or none of the targets is in it.
        DataError: A run that is not complete, names no targets, or ranked others than the other.
    """
    if targets not in ("all", "seen", *PARTS):
        raise ConfigError(
            f"--targets must be one of all, seen, {', '.join(PARTS)}, got {targets!r}"
        )
    mine, its = _test(run), _test(other)
    for fact in ("data", "protocol", "user", "target"):
        if not np.array_equal(mine[fact], its[fact]):
            raise DataError(
                f"{run} and {other} did not rank the same: they differ in {fact}; compare runs on "
                "the same data, evaluated by the same protocol, with no client left out"
            )
    if targets != "all" and not mine["target"].all():
        raise DataError(
            f"{run} names the targets of some users only, since the other clients hold fewer than "
            "federation.share-counts-min-users users; choose --targets all"
        )
    chosen = np.ones(len(mine["rank"]), dtype=bool)
    if targets == "seen":
        chosen = mine["counts"][mine["target"]] > 0
    elif targets != "all":
        chosen = by_training_events(
            mine["target"], mine["counts"], mine["few"]
        ).member == PARTS.index(targets)
    if partition is not None:
        is_there = mine["partition"] == partition
        if not is_there.any():
            raise ConfigError(
                f"--partition {partition} is none of the partitions of {run}, "
                f"0 to {mine['partition'].max()}"
            )
        chosen &= is_there
    if not chosen.any():
        where = "" if partition is None else f" in partition {partition}"
        raise ConfigError(
            f"none of the targets of {run}{where} is {targets}; choose other --targets"
        )
    a, b = mine["rank"][chosen], its["rank"][chosen]
    return {
        name: paired_difference(metric(a, 10), metric(b, 10), 0, RESAMPLES, name=targets)
        for name, metric in (("HR@10", hr), ("NDCG@10", ndcg))
    }


def _test(folder: Path) -> dict[str, Any]:
    """What a run ranked at the test, and what it had seen of it in training."""
    run = read_run(folder)
    check_files(folder, run.about, "ranks.npz", "items.csv")
    if run.status not in COMPLETE:
        raise DataError(f"{folder} holds a run that is {run.status}; compare complete ones")
    arrays = read_npz(content_of(folder / "ranks.npz"))
    if "target" not in arrays:
        raise DataError(
            f"{folder} names no targets, which federation.share-counts and "
            "federation.share-counts-min-users keep on the clients; nothing can be said of "
            "cold ones"
        )
    protocol = plain_protocol(run.protocol)
    is_ranked = ~np.isnan(arrays[f"rank_{protocol}"])
    ranks = {n: arrays[n][is_ranked] for n in ("user", "target", f"rank_{protocol}")}
    items = pd.read_csv(io.BytesIO(content_of(folder / "items.csv")), usecols=["training_events"])
    users = pd.read_csv(io.BytesIO(content_of(folder / "users.csv")), usecols=["user", "partition"])
    homes = users.set_index("user")["partition"]
    return {
        "data": run.about["data"]["hash"],
        "protocol": run.protocol,
        "user": ranks["user"],
        "partition": homes.loc[ranks["user"]].to_numpy(),
        "target": ranks["target"],
        "rank": ranks[f"rank_{protocol}"],
        "counts": np.concatenate([[0], items["training_events"].to_numpy()]),
        "few": run.config["scenario"]["few-shot-events"],
    }


def main(
    run: Path,
    other: Path,
    targets: Annotated[str, typer.Option(metavar="PART")] = "all",
    partition: Annotated[int | None, typer.Option(metavar="N")] = None,
) -> None:
    """Print the comparison."""
    try:
        found = compare(run, other, targets, partition)
    except FedrecError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    users = found["HR@10"]["users"]
    of = "" if partition is None else f" of partition {partition}"
    table = Table(title=f"{targets} targets, {users:,} users{of}, 95 % intervals over users")
    for header in ("metric", run.name, other.name, "difference", "95 %", "ratio", "95 %"):
        table.add_column(header, justify="right")
    for metric, one in found.items():
        table.add_row(
            metric,
            f"{one['a']:.4f}",
            f"{one['b']:.4f}",
            *_cells(one["difference"], "+.4f"),
            *_cells(one["ratio"], ".3f"),
        )
    Console(width=120).print(table)


def _cells(found: dict[str, float] | None, style: str) -> tuple[str, str]:
    if found is None:
        return "-", "-"
    return f"{found['value']:{style}}", f"{found['low']:{style}} to {found['high']:{style}}"


if __name__ == "__main__":
    typer.run(main)
