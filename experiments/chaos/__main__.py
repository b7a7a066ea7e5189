"""``python -m experiments.chaos``: real runs, real kills, one table.

Every run is a ``fedrec`` command on embedded data. The first one is left alone; all others must end
with its ``model.safetensors``, tables and history, whatever is done to them.
"""

import itertools
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from experiments.chaos.damage import DAMAGES, damage_checkpoints
from experiments.chaos.kills import kill_raylet, kill_server, kill_workers
from experiments.chaos.studies import ABLATIONS, BASELINES, SWEEPS, Study, kill_study
from experiments.chaos.tries import Outcome, Tries, fault_free
from fedrec.errors import FedrecError

ALL_AT_ONCE = 4  # of so many worker tries, one more kills all workers
SAVING = 5  # of so many server tries, one is killed while a checkpoint is being written


def main(
    workers_killed: Annotated[int, typer.Option(help="Runs on Ray that lose a worker.")] = 20,
    servers_killed: Annotated[int, typer.Option(help="Runs inline whose process is killed.")] = 30,
    ray_servers_killed: Annotated[int, typer.Option(help="The same on Ray.")] = 20,
    raylets_killed: Annotated[int, typer.Option(help="Runs on Ray that lose their raylet.")] = 20,
    ablations_killed: Annotated[int, typer.Option(help="Ablations that are killed.")] = 20,
    sweeps_killed: Annotated[int, typer.Option(help="Sweeps that are killed.")] = 20,
    baselines_killed: Annotated[int, typer.Option(help="Baselines that are killed.")] = 20,
    checkpoints_damaged: Annotated[
        int, typer.Option(help="Ways to damage a checkpoint.", max=len(DAMAGES))
    ] = len(DAMAGES),
    seed: Annotated[int, typer.Option(help="Of when and whom to kill.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Keep all runs in this new folder.")] = None,
) -> None:
    """Kill and damage as often as asked; exit with 1 if any run did not end as it must."""
    scratch = Path(tempfile.mkdtemp(prefix="chaos-")) if out is None else out.resolve()
    engines = ["inline"]
    if workers_killed or ray_servers_killed or raylets_killed:
        engines.append("ray")
    outcomes: list[Outcome] = []
    start = time.monotonic()
    try:
        tries = fault_free(scratch, seed, engines)
        for outcome in itertools.chain(
            _workers(tries, workers_killed),
            _servers(tries, "inline", servers_killed),
            _servers(tries, "ray", ray_servers_killed),
            (kill_raylet(tries, number) for number in range(raylets_killed)),
            _studies(tries, ABLATIONS, ablations_killed),
            _studies(tries, SWEEPS, sweeps_killed),
            _studies(tries, BASELINES, baselines_killed),
            damage_checkpoints(tries, checkpoints_damaged) if checkpoints_damaged else (),
        ):
            outcomes.append(outcome)
            mark = "ok" if outcome.is_good else "FAILED"
            typer.echo(f"{mark:<6} {outcome.fault}, {outcome.when}: {outcome.words}")
    except FedrecError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    finally:
        if out is None:
            shutil.rmtree(scratch, ignore_errors=True)
    typer.echo()
    typer.echo(table(outcomes))
    num_left = sum(one.num_left for one in outcomes)
    typer.echo(f"\nProcesses left 30 s after a run was killed or had ended: {num_left}.")
    typer.echo(f"{len(outcomes)} tries in {(time.monotonic() - start) / 60:.0f} minutes")
    raise typer.Exit(0 if all(one.is_good for one in outcomes) else 1)


def _workers(tries: Tries, how_many: int) -> Iterator[Outcome]:
    for number in range(how_many):
        yield kill_workers(tries, number, everyone=False)
    for number in range(-(-how_many // ALL_AT_ONCE)):
        yield kill_workers(tries, number, everyone=True)


def _studies(tries: Tries, studies: Sequence[Study], how_many: int) -> Iterator[Outcome]:
    """So many kills, of each study in turn."""
    for number in range(how_many):
        yield kill_study(tries, studies[number % len(studies)], number)


def _servers(tries: Tries, engine: str, how_many: int) -> Iterator[Outcome]:
    """So many kills, of which a share must really hit a checkpoint in the making.

    One that came too late for that counts as any other kill, and another follows it.
    """
    wanted = -(-how_many // SAVING)
    number = 0
    while number < how_many or wanted > 0:
        outcome = kill_server(tries, engine, number, saving=wanted > 0)
        wanted -= is_saving(outcome)
        number += 1
        yield outcome
        if number > 3 * how_many:
            raise FedrecError(f"{number} kills on {engine} hit too few checkpoints in the making")


def is_saving(outcome: Outcome) -> bool:
    """Whether a kill hit a checkpoint in the making: its draft was there afterwards."""
    return outcome.when.startswith("saving")


def table(outcomes: list[Outcome]) -> str:
    """A row for each fault, and for the phases that the kills of a server hit."""
    lines = ["| fault | tries | ended with the fault-free hash |", "|---|---|---|"]
    for fault in dict.fromkeys(one.fault for one in outcomes):
        ours = [one for one in outcomes if one.fault == fault]
        lines.append(f"| {fault} | {len(ours)} | {_ended(ours)} |")
        phases = Counter(_kind_of(one) for one in ours)
        if fault.startswith("the server"):
            for kind in phases:
                of_kind = [one for one in ours if _kind_of(one) == kind]
                lines.append(f"| - {kind} | {len(of_kind)} | {_ended(of_kind)} |")
    return "\n".join(lines)


def _kind_of(outcome: Outcome) -> str:
    """The phase without the number of its round."""
    return outcome.when.rstrip("0123456789 ").replace("saving checkpoint", "while saving")


def _ended(outcomes: list[Outcome]) -> str:
    good = [one for one in outcomes if one.is_good]
    refused = sum(one.words.startswith("refused") for one in good)
    same = f"{len(good) - refused}"
    return f"{same}, and {refused} refused with a line" if refused else same


if __name__ == "__main__":
    typer.run(main)
