"""One-person clients: our engine, a loop, a centralised pass, Flower and pfl on the same work.

``python -m benchmarks.users --source /abs/ml-1m.zip`` prints a Markdown table; ``--json FILE``
keeps every turn. Other tables: ``--one-step``, ``--memory`` and ``--population``.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.users import memory, one_step, population
from benchmarks.users.compare import System, measure, say
from benchmarks.users.pfl_environment import UnavailableError, python_with_pfl
from benchmarks.users.table import Measured, as_json, judged, markdown, row_of
from benchmarks.users.work import Facts
from fedrec.data.store import prepare
from fedrec.home import home

KINDS = ("engine", "loop", "central", "flower", "pfl")


def systems(asked: argparse.Namespace, pfl: str) -> list[System]:
    """The rows of the table, in its order."""
    rows: list[System] = []
    for processes in (1, 2):
        on = f"{processes} process{'es' if processes > 1 else ''}"
        rows += [
            System(name=f"{kind}, {on}", kind=kind, processes=processes)
            for kind in ("engine", "loop")
        ]
        rows += [
            System(
                name=f"central, batch {size}, {on}",
                kind="central",
                processes=processes,
                batch_size=size,
            )
            for size in asked.batch_sizes
        ]
        if pfl:
            rows.append(System(name=f"pfl, {on}", kind="pfl", processes=processes, python=pfl))
    rows += [
        System(
            name=f"central, batch {size}, 2 threads",
            kind="central",
            processes=2,
            threads=2,
            batch_size=size,
        )
        for size in asked.batch_sizes
    ]
    rows.append(
        System(
            name="Flower, a SuperNode per user",
            kind="flower",
            processes=2,
            every=asked.flower_every,
        )
    )
    if asked.gpu:
        rows += [
            System(name=f"{kind}, GPU", kind=kind, device=asked.gpu) for kind in ("engine", "loop")
        ]
        rows += [
            System(
                name=f"central, batch {size}, GPU",
                kind="central",
                device=asked.gpu,
                batch_size=size,
            )
            for size in asked.batch_sizes
        ]
    return [row for row in rows if row.kind in asked.only and row.processes in asked.processes]


def compare(asked: argparse.Namespace) -> dict[str, Any]:
    """The table of all systems."""
    folder = prepare(
        asked.source, format=asked.format, home=home(), min_item_events=5, min_user_events=3, seed=0
    )
    facts = Facts(folder=str(folder), clients=asked.clients, group_tokens=asked.group_tokens)
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
    parser.add_argument("--memory", action="store_true", help="of a run of 6,040 users")
    parser.add_argument("--population", type=int, nargs="*", help="seconds a round, by population")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if asked.memory:
        found = memory.table(asked.source, asked.format, asked.clients)
    elif asked.population is not None:
        found = population.table(asked.population or population.SIZES, asked.clients, asked.turns)
    elif asked.one_step:
        found = one_step.table(asked.source, asked.format, asked.clients, asked.turns)
    else:
        found = compare(asked)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
