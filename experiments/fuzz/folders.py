"""``python -m experiments.fuzz.folders``: damaged run folders, and every command on them.

A command works with the numbers of the whole folder, or says in a line what is damaged and leaves
the folder as it is.
"""

import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.fuzz.config_cases import TINY
from experiments.fuzz.folder_commands import COMMANDS, command_on
from experiments.fuzz.folder_damages import Damage, draw_damages
from experiments.fuzz.forked import (
    Command,
    Ended,
    each_forked,
    forked,
    import_everything,
    without_report,
)
from experiments.reproducibility.verify import SAME_BYTES, compare
from fedrec.errors import FedrecError

STATES = ("finished", "interrupted")
SETTINGS = TINY | {
    "partition.count": 2,
    "federation.rounds": 3,
    "run.checkpoint-every": 1,
}
OUTCOMES = ("same numbers", "refused", "FAILED")
UNCHANGED = ("log.txt", ".lock")  # what a refused command may add to


@dataclass(frozen=True)
class Case:
    """A command on a damaged folder."""

    state: str
    damage: Damage
    command: str

    def title(self) -> str:
        """What is tried, in a line."""
        return f"{self.command}, {self.state}: {self.damage.file} {self.damage.name}"


def main(
    damages: Annotated[int, typer.Option(help="Damages of each folder; 0: all there are.")] = 124,
    seed: Annotated[int, typer.Option(help="Seed of what is drawn.")] = 0,
    jobs: Annotated[int, typer.Option(help="Processes side by side.")] = 2,
    commands: Annotated[str, typer.Option(help="Commands to try.")] = ",".join(COMMANDS),
    match: Annotated[str, typer.Option(help="Only cases with this in their titles.")] = "",
    out: Annotated[Path | None, typer.Option(help="Keep what failed in this new folder.")] = None,
) -> None:
    """Try commands on damaged folders; exit with 1 if any did not end as it must."""
    import_everything()
    scratch = Path(tempfile.mkdtemp(prefix="folder-fuzz-")) if out is None else out.resolve()
    start, ends = time.monotonic(), []
    try:
        whole = make_whole(scratch)
        cases = [
            Case(state, damage, command)
            for state in STATES
            for damage in draw_damages(whole / state / "run", damages, seed)
            for command in commands.split(",")
        ]
        for case, outcome, words in tried(scratch, [c for c in cases if match in c.title()], jobs):
            ends.append((case, outcome))
            if outcome == "FAILED" or match:
                typer.echo(f"{outcome:<12} {case.title()}: {words}"[:600])
    finally:
        if out is None:
            shutil.rmtree(scratch, ignore_errors=True)
    typer.echo(f"\n{table(ends)}\n")
    typer.echo(f"{len(ends)} commands in {(time.monotonic() - start) / 60:.0f} minutes")
    raise typer.Exit(int(any(outcome == "FAILED" for _, outcome in ends)))


def make_whole(scratch: Path) -> Path:
    """Make a finished and an interrupted run, each with its FEDREC_HOME beside it."""
    whole = scratch / "whole"
    for state in STATES:
        home, folder = whole / state / "home", whole / state / "run"
        stop = state == "interrupted"
        ended = forked(
            Command((), whole / state, home, without_report, partial(_run, folder, stop))
        )
        if ended.code != (130 if stop else 0):
            raise FedrecError(f"the {state} run ended with {ended.code}: {ended.err[-500:]}")
    for command in COMMANDS:
        for state in STATES:
            place = whole / f"{state}-{command}"
            shutil.copytree(whole / state, place, symlinks=True)
            ended = forked(command_on(command, place))
            (whole / f"{state}-{command}.json").write_text(
                json.dumps(_numbers(command, place, ended))
            )
    return whole


def _run(folder: Path, is_stopped: bool) -> int:
    from experiments.engines.run import run
    from fedrec.config.keys import read_config

    def stop(line: dict[str, Any]) -> None:
        if line["round"] == 2 and is_stopped:
            raise KeyboardInterrupt

    try:
        config = read_config(SETTINGS | {"run.dir": str(folder)})
        run(config, engine="inline", command="folder fuzz", on_round=stop)
    except KeyboardInterrupt:
        return 130
    return 0


def tried(scratch: Path, cases: list[Case], jobs: int) -> Iterator[tuple[Case, str, str]]:
    """Run all cases; the case, its outcome and the words for it."""
    whole = scratch / "whole"
    places = {scratch / f"{number:05d}": case for number, case in enumerate(cases)}

    def commands() -> Iterator[Command]:
        for place, case in places.items():
            shutil.copytree(whole / case.state, place, symlinks=True)
            case.damage.apply(place / "run")
            (place / "before.json").write_text(json.dumps(contents(place / "run")))
            yield command_on(case.command, place)

    for command, ended in each_forked(commands(), jobs=jobs):
        place = command.workdir
        case = places[place]
        outcome, words = judge(case, place, ended, whole)
        if outcome != "FAILED":
            shutil.rmtree(place, ignore_errors=True)
        yield case, outcome, words


def contents(folder: Path) -> dict[str, str]:
    """Path -> kind and digest of all in a folder; nothing is followed or waited for."""
    found: dict[str, str] = {}
    if folder.is_symlink() or not folder.is_dir():
        return {"": _kind(folder)}
    for root, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(root) / name
            found[ascii(str(path.relative_to(folder)))] = _kind(path)
    return found


def _kind(path: Path) -> str:
    try:
        status = path.lstat()
    except OSError:
        return "nothing"
    if not stat.S_ISREG(status.st_mode):
        return str(stat.S_IFMT(status.st_mode))
    if status.st_size > 1 << 28:
        return f"{status.st_size} bytes"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _numbers(command: str, place: Path, ended: Ended) -> Any:
    """What a command that worked has made, to be equal whatever the damage."""
    if command in ("load", "similar", "compare", "recommend"):
        return ended.out
    if command == "report":
        page = (place / "run" / "report.html").read_bytes() if not ended.code else b""
        return hashlib.sha256(page).hexdigest()
    return ended.code


def judge(case: Case, place: Path, ended: Ended, whole: Path) -> tuple[str, str]:
    """The outcome of a case, and the words for it."""
    differs = case.command == "verify" and ended.code == 1 and "differs: " in ended.err
    fault = ended.fault()
    if fault and not (differs and "without a line" in fault):
        return "FAILED", f"{fault}: {ended.last_error()[-400:]}"
    if ended.megabytes > 1500:
        return "FAILED", f"{ended.megabytes} MB"
    if ended.code:
        lost = _lost(place)
        words = "differs" if differs else ended.last_error()
        return (
            ("FAILED", f"{lost} is lost or changed, after: {words}") if lost else ("refused", words)
        )
    if case.command in ("verify", "resume", "run"):
        folder = place / ("again" if case.command == "run" else "run")
        if case.command == "run" and case.damage.file == "config.toml":
            return "same numbers", ""  # of another config, which is what was asked for
        try:
            found = compare(whole / "finished" / "run", folder)
        except (OSError, FedrecError) as error:
            found = [str(error)]
        found = [
            one for one in found if case.command == "resume" or one.split(":")[0] in SAME_BYTES
        ]
        return ("FAILED", "; ".join(found)) if found else ("same numbers", "")
    expected = json.loads((whole / f"{case.state}-{case.command}.json").read_text())
    got = _numbers(case.command, place, ended)
    same = str(got).replace(str(place), "") == str(expected).replace(
        str(whole / f"{case.state}-{case.command}"), ""
    )
    return (
        ("same numbers", "")
        if same
        else ("FAILED", f"other numbers: {_first_difference(got, expected)}")
    )


def _first_difference(got: Any, expected: Any) -> str:
    one, other = str(got), str(expected)
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    return f"{one[max(0, at - 40) : at + 60]} instead of {other[max(0, at - 40) : at + 60]}"


def _lost(place: Path) -> str:
    """The first file that is not as it was before a command that was refused; "" if all are."""
    before, now = json.loads((place / "before.json").read_text()), contents(place / "run")
    for path, kind in before.items():
        if now.get(path) != kind and not any(name in path for name in UNCHANGED):
            return str(path)
    return ""


def table(ends: list[tuple[Case, str]]) -> str:
    """A row for each command and state."""
    lines = ["| command | run | tried | " + " | ".join(OUTCOMES) + " |", "|---" * 6 + "|"]
    for command in COMMANDS:
        for state in STATES:
            found = Counter(o for c, o in ends if (c.command, c.state) == (command, state))
            if found:
                counts = " | ".join(str(found[outcome]) for outcome in OUTCOMES)
                lines.append(f"| {command} | {state} | {found.total()} | {counts} |")
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
