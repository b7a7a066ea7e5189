"""Mutation sample: ``python -m benchmarks.mutation --lines 30 --seed 0`` prints a Markdown table.

Lines are drawn over the four packages, one fault is put into each, and the default tests run in a
copy of the tree. Outcomes are kept in a JSON file as they come; a second call goes on from there.
Run it on a tree whose default tests pass.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.mutation.draw import Drawn, draw
from benchmarks.mutation.table import Outcome, markdown, read_equivalents
from benchmarks.mutation.trial import copy_tree, seen_by

ROOT = Path(__file__).parents[2]
EQUIVALENTS = Path(__file__).with_name("equivalents.toml")


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw, try what has no outcome yet, print the table."""
    options = parsed(arguments)
    drawn = draw(ROOT, options.lines, options.seed)
    equivalents = read_equivalents(EQUIVALENTS)
    outcomes = read_results(options.results)
    if options.survivors:
        outcomes = {key: test for key, test in outcomes.items() if test}
    if not options.table:
        waiting = [one for one in drawn if one.key not in {*outcomes, *equivalents}]
        try_all(waiting, outcomes, options)
    found = [
        Outcome(one, outcomes.get(one.key, ""), equivalents.get(one.key, ""))
        for one in drawn
        if one.key in {*outcomes, *equivalents}
    ]
    print(markdown(found))
    if len(found) < len(drawn):
        print(f"\n{len(drawn) - len(found)} of {len(drawn)} mutants are not tried yet.")


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.mutation", description=__doc__)
    parser.add_argument("--lines", type=int, default=30, help="number of lines to draw")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw")
    parser.add_argument("-n", "--workers", type=int, default=2, help="processes of the tests")
    parser.add_argument(
        "--results",
        type=Path,
        default=ROOT / "build" / "mutation.json",
        help="JSON file of outcomes, which a second call goes on from",
    )
    parser.add_argument("--likely", action="store_true", help="run no more than likely tests")
    parser.add_argument("--survivors", action="store_true", help="try survivors again")
    parser.add_argument("--table", action="store_true", help="try nothing, print what is known")
    return parser.parse_args(arguments)


def read_results(path: Path) -> dict[str, str]:
    """Mutant -> the test that killed it, "" for a survivor."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def try_all(
    waiting: Sequence[Drawn], outcomes: dict[str, str], options: argparse.Namespace
) -> None:
    """Try every mutant on its likely tests, then those that are left on all tests.

    Each outcome is written before the next mutant is tried.
    """
    options.results.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mutation-") as scratch:
        copy = Path(scratch, "tree")
        copy_tree(ROOT, copy)
        for likely in (True,) if options.likely else (True, False):
            left = [one for one in waiting if not outcomes.get(one.key)]
            for number, one in enumerate(left, start=1):
                test = seen_by(copy, one, options.workers, likely=likely)
                if test or not likely:
                    outcomes[one.key] = test
                    options.results.write_text(json.dumps(outcomes, indent=1) + "\n")
                print(f"{number}/{len(left)} {one.key}: {test or 'not seen'}", file=sys.stderr)


if __name__ == "__main__":
    main()
