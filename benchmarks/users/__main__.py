"""One-person clients: our engine, a loop, a centralised pass, Flower and pfl on the same work.

``python -m benchmarks.users --source /abs/ml-1m.zip`` prints a Markdown table; ``--json FILE``
keeps every turn. Other tables: ``--parts``, ``--one-step``, ``--memory`` and ``--population``.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.users import memory, one_step, parts, population
from benchmarks.users.about import facts_of_machine, load
from benchmarks.users.compare import System, measure, say
from benchmarks.users.systems.pfl_environment import UnavailableError, python_with_pfl
from benchmarks.users.table import Measured, as_json, judged, markdown, row_of
from benchmarks.users.work import Facts
from fedrec.data.preparation.store import prepare
from fedrec.files.home import home

LOOPS = ("engine", "loop")
KINDS = (*LOOPS, "central", "flower", "pfl")


def systems(asked: argparse.Namespace, pfl: str) -> list[System]:
    """The rows of the table, in its order."""
    rows = [row for processes in (1, 2) for row in on_cpu(processes, asked.batch_sizes)]
    largest = max(asked.batch_sizes)
    rows.append(central(largest, "2 threads", processes=2, threads=2))
    if asked.gpu:
        rows += [System(name=f"{kind}, GPU", kind=kind, device=asked.gpu) for kind in LOOPS]
        rows += [central(size, "GPU", device=asked.gpu) for size in asked.batch_sizes]
    if pfl:
        rows += [
            System(name=f"pfl, {shown(processes)}", kind="pfl", processes=processes, python=pfl)
            for processes in (1, 2)
        ]
    name = "Flower, a SuperNode per user"
    rows.append(System(name=name, kind="flower", processes=2, every=asked.flower_every))
    return [row for row in rows if row.kind in asked.only and row.processes in asked.processes]


def on_cpu(processes: int, batch_sizes: Sequence[int]) -> list[System]:
    """What shares the users of a turn between processes that exchange their sums at its end.

    A centralised pass on two of them is two models on half of the users each, which never
    exchange anything: no data-parallel training can cost less.
    """
    on = shown(processes)
    loops = [System(name=f"{kind}, {on}", kind=kind, processes=processes) for kind in LOOPS]
    return loops + [central(size, on, processes=processes) for size in batch_sizes]


def central(size: int, where: str, **more: Any) -> System:
    """A centralised pass at one batch size."""
    return System(name=f"central, batch {size}, {where}", kind="central", batch_size=size, **more)


def shown(processes: int) -> str:
    """How the table says it."""
    return "1 process" if processes == 1 else f"{processes} processes"


def facts_of(asked: argparse.Namespace) -> Facts:
    """The work that is asked for, its data prepared."""
    folder = prepare(
        asked.source, format=asked.format, home=home(), min_item_events=5, min_user_events=3, seed=0
    )
    return Facts(folder=str(folder), clients=asked.clients, group_tokens=asked.group_tokens)


def compare(asked: argparse.Namespace) -> dict[str, Any]:
    """The table of all systems."""
    facts = facts_of(asked)
    with tempfile.TemporaryDirectory(prefix="pfl-", ignore_cleanup_errors=True) as scratch:
        pfl, missing = "", []
        if "pfl" in asked.only and asked.pfl != "skip":
            say("looking for pfl")
            try:
                pfl = python_with_pfl(asked.pfl, Path(scratch))
            except UnavailableError as error:
                missing = [Measured("pfl", "pfl", 1, "cpu", (), reason=str(error))]
        found = [*measure(systems(asked, pfl), facts, asked.turns), *missing]
    print(f"{asked.clients} clients a round, 3 local steps, {asked.turns} turns\n")
    print(markdown([row_of(one, found) for one in found]))
    if lines := judged(found):
        print("\n" + markdown(lines))
    return as_json(found)


def main() -> None:
    """Print the table that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", default="ml-1m", help="ml-1m, or the absolute path of its zip")
    parser.add_argument("--format", default="ml-1m")
    parser.add_argument("--clients", type=int, default=1000, help="users a round")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--processes", type=int, nargs="+", choices=(1, 2), default=[1, 2])
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--group-tokens", type=int, default=4096)
    parser.add_argument("--flower-every", type=int, default=1, help="Flower in every n-th turn")
    parser.add_argument("--pfl", default="install", help='a Python with pfl, "install" or "skip"')
    parser.add_argument("--gpu", choices=("cuda",), help="rows on the GPU, too")
    parser.add_argument("--one-step", action="store_true", help="one local step, cohort 32")
    parser.add_argument("--parts", action="store_true", help="where the engine's CPU time goes")
    parser.add_argument("--memory", action="store_true", help="of a run of 6,040 users")
    parser.add_argument("--population", type=int, nargs="*", help="seconds a round, by population")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    about, before = facts_of_machine("benchmarks.users"), load()  # now: files may change meanwhile
    if asked.memory:
        found = memory.table(asked.source, asked.format, asked.clients)
    elif asked.population is not None:
        found = population.table(asked.population or population.SIZES, asked.clients, asked.turns)
    elif asked.one_step:
        found = one_step.table(asked.source, asked.format, asked.clients, asked.turns)
    elif asked.parts:
        found = parts.table(facts_of(asked), min(asked.batch_sizes), asked.turns)
    else:
        found = compare(asked)
    print(f"\nload average before and after: {before:.1f}, {load():.1f} of {os.cpu_count()} cores")
    if asked.json:
        found = {"about": about, "load": [before, load()], **found}
        asked.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
