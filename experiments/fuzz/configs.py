"""``python -m experiments.fuzz.configs``: odd and random configs, each of them really run.

A config is refused in lines that a user can read before anything is written, or its run ends with
the values that were asked for and with figures that can be.
"""

import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.fuzz.config_cases import KINDS, TINY, Case, as_toml, draw_cases
from experiments.fuzz.forked import (
    Command,
    Ended,
    each_forked,
    forked,
    import_everything,
    without_report,
)
from experiments.presets import read_preset
from experiments.settings import parse_sets
from fedrec.errors import ConfigError, DataError, FedrecError
from fedrec.runs.record import read_run

RUN = "run"
WITH_REPORT = 40  # of so many accepted configs, one draws its report
REFUSED = (2, 4, 5)  # exit codes that say that it is not the run's fault
OUTCOMES = ("ran", "refused", "ended in a line", "FAILED")
PATHS = ("data.source", "data.items", "evaluation.ncf-negatives")  # which become absolute


def main(
    cases: Annotated[int, typer.Option(help="Number of configs.")] = 1542,
    seed: Annotated[int, typer.Option(help="Seed of what is drawn.")] = 0,
    jobs: Annotated[int, typer.Option(help="Processes side by side.")] = 2,
    only: Annotated[int | None, typer.Option(help="Number of the one case to try.")] = None,
    out: Annotated[Path | None, typer.Option(help="Keep what failed in this new folder.")] = None,
) -> None:
    """Try so many configs; exit with 1 if any did not end as it must."""
    import_everything()
    scratch = Path(tempfile.mkdtemp(prefix="config-fuzz-")) if out is None else out.resolve()
    drawn = list(enumerate(draw_cases(cases, seed)))
    start, ends = time.monotonic(), []
    try:
        for number, case, ended, outcome, words in tried(scratch, drawn, jobs, only):
            ends.append((case, outcome))
            if outcome not in ("ran", "refused") or only is not None:
                typer.echo(f"{outcome:<16} {number} {case.title()}: {words}"[:600])
            if ended.megabytes > 2000 or ended.seconds > 15:
                typer.echo(f"  took {ended.seconds:.0f} s and {ended.megabytes} MB")
    finally:
        if out is None:
            shutil.rmtree(scratch, ignore_errors=True)
    typer.echo(f"\n{table(ends)}\n")
    typer.echo(f"{len(ends)} configs in {(time.monotonic() - start) / 60:.0f} minutes")
    raise typer.Exit(int(any(outcome == "FAILED" for _, outcome in ends)))


def tried(
    scratch: Path, drawn: list[tuple[int, Case]], jobs: int = 2, only: int | None = None
) -> Iterator[tuple[int, Case, Ended, str, str]]:
    """Run all cases; number, case, how it ended, the outcome and the words for it."""
    home = scratch / "home"
    prepare = command_of(Case("", "set", {}), scratch / "first", home, number=0)
    if (first := forked(prepare)).code:
        raise FedrecError(f"the config that all others change does not run: {first.err}")
    cases = {scratch / f"{number:05d}": (number, case) for number, case in drawn}
    commands = (
        command_of(case, folder, home, number)
        for folder, (number, case) in cases.items()
        if only in (None, number)
    )
    for command, ended in each_forked(commands, jobs=jobs):
        number, case = cases[command.workdir]
        outcome, words = judge(case, command.workdir, ended)
        if outcome != "FAILED":
            shutil.rmtree(command.workdir, ignore_errors=True)
        yield number, case, ended, outcome, words


def command_of(case: Case, workdir: Path, home: Path, number: int) -> Command:
    """The command, or the call from Python, that runs a case."""
    values = TINY | case.changes
    folder = [] if "run.dir" in values else ["--out", str(workdir / RUN)]
    before = None if number % WITH_REPORT == 1 else without_report
    words = ["run", "--quiet", "--engine", "inline", *folder]
    if case.way == "python":

        def simulate() -> int:
            return _from_python(values, workdir)

        return Command((), workdir, home, before, simulate)
    if case.way == "file":
        workdir.mkdir(parents=True, exist_ok=True)
        lines = [f"{_toml_key(key)} = {as_toml(value)}" for key, value in values.items()]
        (workdir / "mine.toml").write_text("\n".join([*lines, ""]), encoding="utf-8")
        return Command((*words[:1], "mine.toml", *words[1:]), workdir, home, before)
    told = [f"--set={word}" for word in _sets(values)]
    return Command((*words, *told), workdir, home, before)


def _sets(values: dict[str, Any]) -> list[str]:
    words = {key: v if isinstance(v, str) else as_toml(v) for key, v in values.items()}
    return [f"{key}={word}" for key, word in words.items()]


def _toml_key(key: str) -> str:
    return ".".join(json.dumps(part, ensure_ascii=False) for part in key.split("."))


def _from_python(values: dict[str, Any], workdir: Path) -> int:
    """``fedrec.simulate``, with its errors told as the command tells them."""
    from experiments.api import simulate

    where = None if "run.dir" in values else workdir / RUN
    try:
        simulate(values, engine="inline", out=where)
    except ConfigError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return error.exit_code
    except FedrecError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def judge(case: Case, workdir: Path, ended: Ended) -> tuple[str, str]:
    """The outcome of a case, and the words for it."""
    if fault := ended.fault():
        return "FAILED", f"{fault}: {ended.last_error()[-500:]}"
    folder = workdir / RUN
    if ended.code == 0:
        wrong = "" if "run.dir" in case.changes else _wrong_run(case, folder)
        return ("FAILED", wrong) if wrong else ("ran", "")
    began = (folder / "rounds.jsonl").exists()
    if not folder.exists() and ended.code in REFUSED:
        return "refused", ended.last_error()
    words = f"exit code {ended.code}, {'after round 0' if began else 'in its folder'}: "
    return "ended in a line", words + ended.last_error()


def _wrong_run(case: Case, folder: Path) -> str:
    """What of a run that ended well cannot be, or is not what was asked for; "" if nothing."""
    try:
        run = read_run(folder)
        kept = read_preset(str(folder / "config.toml"))
    except DataError as error:
        return f"its folder cannot be read: {error}"
    asked = TINY | case.changes
    if case.way == "set":
        asked = parse_sets(_sets(asked))
    for key, value in asked.items():
        if key.startswith("run.") or key in PATHS:
            continue
        if isinstance(kept.get(key), float) and isinstance(value, int):
            value = float(value)  # 2^63 - 1 is no float, and means one
        if kept.get(key) != value:
            return f"{key} = {value!r} was asked for, config.toml has {kept.get(key)!r}"
    if not run.metrics or run.users is None or not len(run.users):
        return "no figures"
    for name, number in _numbers(run.metrics | {"rounds": run.history}):
        if not math.isfinite(number):
            return f"{name} is {number}"
        is_share = name.rpartition(".")[2] in ("value", "low", "high")
        if is_share and not 0 <= number <= 1:
            return f"{name} is {number}, no share"
    return ""


def _numbers(record: Any, name: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(record, dict):
        for key, value in record.items():
            yield from _numbers(value, f"{name}.{key}")
    elif isinstance(record, list):
        for place, value in enumerate(record):
            yield from _numbers(value, f"{name}[{place}]")
    elif isinstance(record, int | float) and not isinstance(record, bool):
        yield name, float(record)


def table(ends: list[tuple[Case, str]]) -> str:
    """A row for each kind of case."""
    lines = ["| configs | tried | " + " | ".join(OUTCOMES) + " |", "|---" * 6 + "|"]
    for kind in KINDS:
        found = [outcome for case, outcome in ends if case.kind == kind]
        counts = [str(found.count(outcome)) for outcome in OUTCOMES]
        lines.append(f"| {kind} | {len(found)} | {' | '.join(counts)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
