"""One-person clients: our engine, a loop, a centralised pass, Flower and pfl on the same work.

The engine is there twice: in torch, and with the kernel.

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
from benchmarks.users.table import Measured, as_json, evaluated, markdown, row_of
from benchmarks.users.work import Facts
from fedrec.data.preparation.store import prepare
from fedrec.files.home import home

LOOPS = ("kernel", "engine", "loop")
KINDS = (*LOOPS, "centralised", "flower", "pfl")


def systems(options: argparse.Namespace, pfl: str) -> list[System]:
    """The rows of the table, in its order."""
    rows = [row for processes in (1, 2) for row in on_cpu(processes, options.batch_sizes)]
    largest = max(options.batch_sizes)
    rows.append(centralised(largest, "2 threads", processes=2, threads=2))
    if options.gpu:
        rows += [System(name=f"{kind}, GPU", kind=kind, device=options.gpu) for kind in LOOPS[1:]]
        rows += [centralised(size, "GPU", device=options.gpu) for size in options.batch_sizes]
    if pfl:
        rows += [
            System(name=f"pfl, {shown(processes)}", kind="pfl", processes=processes, python=pfl)
            for processes in (1, 2)
        ]
    name = "Flower, a SuperNode per user"
    rows.append(System(name=name, kind="flower", processes=2, every=options.flower_every))
    return [row for row in rows if row.kind in options.only and row.processes in options.processes]


def on_cpu(processes: int, batch_sizes: Sequence[int]) -> list[System]:
    """What shares the users of a turn between processes that exchange their sums at its end.

    A centralised pass on two of them is two models on half of the users each, which never
    exchange anything: no data-parallel training can cost less.
    """
    on = shown(processes)
    loops = [System(name=f"{kind}, {on}", kind=kind, processes=processes) for kind in LOOPS]
    return loops + [centralised(size, on, processes=processes) for size in batch_sizes]


def centralised(size: int, where: str, **more: Any) -> System:
    """A centralised pass at one batch size."""
    return System(
        name=f"centralised, batch {size}, {where}", kind="centralised", batch_size=size, **more
    )


def shown(processes: int) -> str:
    """How the table says it."""
    return "1 process" if processes == 1 else f"{processes} processes"


def facts_of(options: argparse.Namespace) -> Facts:
    """The work that the options describe, its data prepared."""
    folder = prepare(
        options.source,
        format=options.format,
        home=home(),
        min_item_events=5,
        min_user_events=3,
        seed=0,
    )
    return Facts(folder=str(folder), clients=options.clients, group_tokens=options.group_tokens)


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """The table of all systems."""
    facts = facts_of(options)
    with tempfile.TemporaryDirectory(prefix="pfl-", ignore_cleanup_errors=True) as scratch:
        pfl, missing = "", []
        if "pfl" in options.only and options.pfl != "skip":
            say("looking for pfl")
            try:
                pfl = python_with_pfl(options.pfl, Path(scratch))
            except UnavailableError as error:
                missing = [Measured("pfl", "pfl", 1, "cpu", (), reason=str(error))]
        found = [*measure(systems(options, pfl), facts, options.turns), *missing]
    print(f"{options.clients} clients a round, 3 local steps, {options.turns} turns\n")
    print(markdown([row_of(one, found) for one in found]))
    if lines := evaluated(found):
        print("\n" + markdown(lines))
    return as_json(found)


def main() -> None:
    """Print the table that the options choose."""
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
    options = parser.parse_args()
    about, before = facts_of_machine("benchmarks.users"), load()  # now: files may change meanwhile
    if options.memory:
        found = memory.table(options.source, options.format, options.clients)
    elif options.population is not None:
        found = population.table(
            options.population or population.SIZES, options.clients, options.turns
        )
    elif options.one_step:
        found = one_step.table(options.source, options.format, options.clients, options.turns)
    elif options.parts:
        found = parts.table(facts_of(options), min(options.batch_sizes), options.turns)
    else:
        found = compare(options)
    print(f"\nload average before and after: {before:.1f}, {load():.1f} of {os.cpu_count()} cores")
    if options.json:
        found = {"about": about, "load": [before, load()], **found}
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
