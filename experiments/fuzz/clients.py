"""``python -m experiments.fuzz.clients``: one hostile client among five, whole runs of it.

Whatever it sends, the run ends. Either it is excluded with a reason on record, and what the others
did is what they do where that client just fails at the same messages; or what it sends is used, as
an honest client might have sent it. What such a lie can do is bounded and stands in
docs/explanation/limits.md.
"""

import json
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from flwr.app import Context, Message, RecordDict

from experiments.fuzz.client_cases import (
    CLEAN_UP,
    EVALUATE,
    MESSAGES,
    REGISTRATION,
    TRAIN,
    UNITS,
    Hostile,
    hostile_messages,
)
from experiments.fuzz.config_cases import TINY
from experiments.fuzz.forked import Command, each_forked, forked, import_everything, without_report
from experiments.fuzz.hostile_client import WHO, HostileClient, fails, kind_of
from fedrec.config.config import Config
from fedrec.config.keys import flatten, read_config
from fedrec.errors import FedrecError
from fedrec.randomness import generator
from fedrec.runs.record import COMPLETE, Run, read_run

SETTINGS: dict[str, dict[str, Any]] = {
    "partition": {"model.private": "gate-bias", "evaluation.protocol": "full,uniform-99"},
    "user": {
        "federation.unit": "user",
        "federation.cohort": 20,
        "federation.row-averaging": "sparse",
        "local.optimizer-state": "reset",
    },
}
COMMON = TINY | {
    "partition.count": 5,
    "federation.rounds": 2,
    "federation.share-counts-min-users": 1,
    "data.source": "synthetic:users=60,items=150",
}
OUTCOMES = (
    "excluded", "excluded later", "both excluded", "used, bounded", "no difference", "FAILED",
)  # fmt: skip
WHILE = {REGISTRATION: "register", TRAIN: "train", EVALUATE: "evaluate", CLEAN_UP: "delete"}
CLAIMS = ("two partitions hold the same user", "two SuperNodes say that they are partition")
SECONDS = 60.0
NOTE = "changed.json"  # which replies were changed


def main(
    cases: Annotated[int, typer.Option(help="Number of messages; 0: all there are.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of what is drawn.")] = 0,
    jobs: Annotated[int, typer.Option(help="Processes side by side.")] = 2,
    match: Annotated[str, typer.Option(help="Only messages with this in their titles.")] = "",
    out: Annotated[Path | None, typer.Option(help="Keep what failed in this new folder.")] = None,
) -> None:
    """Run a federation with each message; exit with 1 if any run did not end as it must."""
    import_everything()
    scratch = Path(tempfile.mkdtemp(prefix="hostile-")) if out is None else out.resolve()
    start, ends = time.monotonic(), []
    try:
        for hostile, outcome, words in tried(scratch, cases, seed, jobs, match):
            ends.append((hostile, outcome))
            if outcome not in ("excluded", "no difference") or match:
                title = f"{hostile.unit}, {hostile.message}: {hostile.name}"
                typer.echo(f"{outcome:<14} {title}: {words}"[:600])
    finally:
        if out is None:
            shutil.rmtree(scratch, ignore_errors=True)
    typer.echo(f"\n{table(ends)}\n")
    typer.echo(f"{len(ends)} messages in {(time.monotonic() - start) / 60:.0f} minutes")
    raise typer.Exit(int(any(outcome == "FAILED" for _, outcome in ends)))


def config_for(unit: str, folder: Path) -> Config:
    """The config of all runs with clients of a granularity."""
    return read_config(COMMON | SETTINGS[unit] | {"run.dir": str(folder)})


def run_with(unit: str, folder: Path, client: Any) -> int:
    """Run a federation with a client; the exit code that the command would have."""
    from server.engines.inline import InlineGrid
    from server.run import run_server

    config = config_for(unit, folder)
    grid = InlineGrid(client, config.partition.count, flatten(config))
    try:
        run_server(grid, config, engine="inline", command="hostile")
    except FedrecError as error:
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        return error.exit_code
    except Exception:
        traceback.print_exc()
        return 70
    return 0


def tried(
    scratch: Path, cases: int, seed: int, jobs: int, match: str = ""
) -> Iterator[tuple[Hostile, str, str]]:
    """Run all messages; the message, the outcome and the words for it."""
    home = scratch / "home"
    failing = _Failing(scratch, home)
    messages: list[Hostile] = []
    for unit in UNITS:
        messages += hostile_messages(unit, _honest_replies(unit, scratch, home))
    messages = [one for one in messages if match in f"{one.unit}, {one.message}: {one.name}"]
    if cases and cases < len(messages):
        drawn = generator(seed, "hostile").choice(len(messages), cases, replace=False)
        messages = [messages[int(index)] for index in sorted(drawn)]
    places = {scratch / f"{number:05d}": one for number, one in enumerate(messages)}
    commands = (
        _command(one.unit, HostileClient(one.message, one.change, folder / NOTE), folder, home)
        for folder, one in places.items()
    )
    for command, ended in each_forked(commands, jobs=jobs, seconds=SECONDS):
        one = places[command.workdir]
        outcome, words = _judge(one, command.workdir, failing, ended.code)
        if ended.code or ended.fault():
            outcome, words = "FAILED", f"{ended.fault() or ended.code}: {ended.last_error()}"
        if ended.megabytes > 4000:
            outcome, words = "FAILED", f"it took {ended.megabytes} MB"
        if outcome != "FAILED":
            shutil.rmtree(command.workdir, ignore_errors=True)
        yield one, outcome, words


def _command(unit: str, client: Any, folder: Path, home: Path) -> Command:
    return Command((), folder, home, without_report, lambda: run_with(unit, folder / "run", client))


def _honest_replies(unit: str, scratch: Path, home: Path) -> dict[str, RecordDict]:
    """Message -> content of the hostile client's honest reply to its first one."""
    import os

    from clients.app import app

    found: dict[str, RecordDict] = {}

    def client(message: Message, context: Context) -> Message:
        reply = app(message, context)
        if context.node_config["partition-id"] == WHO and reply.has_content():
            found[kind_of(message)] = reply.content
        return reply

    before = os.environ.get("FEDREC_HOME")
    os.environ["FEDREC_HOME"] = str(home)
    without_report()
    try:
        run_with(unit, scratch / f"{unit}-replies", client)
    finally:
        os.environ.pop("FEDREC_HOME") if before is None else os.environ.update(FEDREC_HOME=before)
    return {message: found[message] for message in MESSAGES}


class _Failing:
    """Runs of a client that just fails at some messages, made once for each set of them."""

    def __init__(self, scratch: Path, home: Path) -> None:
        self.scratch, self.home = scratch, home
        self.made: dict[tuple[str, str, tuple[int, ...]], Path] = {}

    def run(self, unit: str, message: str, numbers: Sequence[int]) -> Path:
        """Folder of the run whose client fails at so many messages of a kind, by their numbers."""
        key = (unit, message, tuple(numbers))
        if key not in self.made:
            folder = self.scratch / f"{unit}-{message}-fails-{len(self.made)}"
            command = _command(unit, HostileClient(message, fails, only=numbers), folder, self.home)
            if (ended := forked(command, seconds=SECONDS)).code:
                raise FedrecError(f"{unit}, {message} {numbers} fails: {ended.last_error()}")
            self.made[key] = folder / "run"
        return self.made[key]


def _judge(one: Hostile, workdir: Path, failing: _Failing, code: int) -> tuple[str, str]:
    if code:
        return "FAILED", f"exit code {code}"
    folder, note = workdir / "run", workdir / NOTE
    changed = json.loads(note.read_text()) if note.exists() else []
    run = read_run(folder)
    if run.status not in COMPLETE:
        return "FAILED", run.status
    if wrong := _impossible(run):
        return "FAILED", wrong
    reasons = _reasons(run)
    if not reasons:
        found = _difference(folder, failing.run(one.unit, one.message, []))
        return ("used, bounded", found) if found else ("no difference", "")
    partitions = {partition for partition, _ in reasons}
    words = next(iter(reasons.values()))
    if partitions != {WHO}:
        is_claim = all(reason.startswith(CLAIMS) for reason in reasons.values())
        is_pair = len(partitions) == 2 and WHO in partitions
        return ("both excluded" if is_claim and is_pair else "FAILED"), words
    doing = {while_ for _, while_ in reasons}
    if doing != {WHILE[one.message]}:
        return "excluded later", words
    other = failing.run(one.unit, one.message, changed)
    if _exclusions(run) != _exclusions(read_run(other)):
        return "used, bounded", f"excluded at some messages only ({words})"
    found = _difference(folder, other)
    return ("FAILED", f"excluded ({words}), but {found}") if found else ("excluded", words)


def _reasons(run: Run) -> dict[tuple[int, str], str]:
    """Partition and what it was asked for -> a reason for which it was excluded."""
    excluded = [one for line in run.history for one in line["excluded"]]
    for ones in (run.about.get("excluded") or {}).values():
        excluded += ones
    return {
        (one["partition"], one["while"]): one["reason"] for one in excluded if "user" not in one
    }


def _exclusions(run: Run) -> list[tuple[Any, ...]]:
    """Where the hostile client was excluded: round or stage, and what it was asked for."""
    found = [
        (line["round"], one["while"])
        for line in run.history
        for one in (*line["excluded"], *line["retried"])
        if one["partition"] == WHO and "user" not in one
    ]
    for stage, ones in (run.about.get("excluded") or {}).items():
        found += [(stage, one["while"]) for one in ones if one["partition"] == WHO]
    return found


def _impossible(run: Run) -> str:
    """Whether a figure is no number, which JSON itself has no word for."""
    found: list[str] = []
    json.loads(json.dumps([run.metrics, run.history]), parse_constant=found.append)
    return f"a figure is {found[0]}" if found else ""


def _difference(folder: Path, other: Path) -> str:
    """What of a run differs from another; "" if its model and the figures of users do not."""
    for name in ("model.safetensors", "users.csv"):
        if (folder / name).read_bytes() != (other / name).read_bytes():
            return f"{name} differs"
    ours, theirs = read_run(folder), read_run(other)
    if (ours.metrics or {}).get("test") != (theirs.metrics or {}).get("test"):
        return "the test figures differ"
    for line, its in zip(ours.history, theirs.history, strict=True):
        for key in ("aggregated", "train_loss", "targets", "validation"):
            if line[key] != its[key]:
                return f"{key} of round {line['round']} differs"
    return ""


def table(ends: list[tuple[Hostile, str]]) -> str:
    """A row for each kind of message and client."""
    outcomes = [one for one in OUTCOMES if any(outcome == one for _, outcome in ends)]
    lines = ["| message | client | tried | " + " | ".join(outcomes) + " |"]
    lines.append("|---" * (3 + len(outcomes)) + "|")
    for message in MESSAGES:
        for unit in UNITS:
            found = Counter(o for one, o in ends if (one.message, one.unit) == (message, unit))
            counts = " | ".join(str(found[outcome]) for outcome in outcomes)
            lines.append(f"| {message} | {unit} | {found.total()} | {counts} |")
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
