"""Shared parts of all tries: the undisturbed run, their folders, how results are checked."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.chaos.running import Running, run_to_end
from experiments.reproducibility.same_bytes import DATASETS, NOTHING_EASY, SMALL, STRATEGIES
from experiments.reproducibility.verify import compare
from fedrec.errors import DataError, FedrecError
from fedrec.runs.record import read_json, read_rounds

ROUNDS = 12
# Dropout, a private gate bias, half of the clients of whom a fifth drop out, kept optimiser state,
# a server with state of its own, sampled negatives: nothing that could be easy is left out.
SETTINGS = (
    SMALL
    | NOTHING_EASY
    | DATASETS["synthetic"]
    | STRATEGIES["server-adam"]
    | {"federation.rounds": ROUNDS, "federation.evaluate-every": 1}
)
DRAFT = re.compile(r"\.round-(\d+)\.draft")
REPORT = "report"
ENDED = "the end, all written"  # where there is nothing left to resume
ENGINES = {"inline": ("--engine", "inline"), "ray": ("--engine", "ray", "--workers", "2")}


@dataclass(frozen=True)
class Outcome:
    """How a try ended.

    Attributes:
        fault: Fault injected, a row of the table.
        when: Phase of the run at the fault.
        is_good: Whether all conditions of the try held.
        words: Description of how the run ended.
        num_left: Number of processes of the run left 30 s after its end.
    """

    fault: str
    when: str
    is_good: bool
    words: str
    num_left: int = 0


@dataclass(frozen=True)
class Tries:
    """Where the tries lie, and the run without a fault.

    Attributes:
        scratch: Folder for all tries.
        seed: Seed of the times and victims of kills.
        seconds: Engine or study -> seconds from the run folder's first file to the end, in the last
            undisturbed run: on a shared machine, runs are not equally fast.
    """

    scratch: Path
    seed: int
    seconds: dict[str, float]

    @property
    def home(self) -> Path:
        """FEDREC_HOME: the prepared data is made once."""
        return self.scratch / "home"

    @property
    def round_seconds(self) -> float:
        """Of a round on Ray without a fault, its evaluation included."""
        return (
            float(read_rounds(self.scratch / "fault-free-ray" / "rounds.jsonl")[0][-1]["elapsed"])
            / ROUNDS
        )

    @property
    def fault_free(self) -> Path:
        """The run that all others must equal."""
        return self.scratch / "fault-free-inline"

    def took(self, name: str, begun: float) -> None:
        """Note how long a run without a fault took, from when it began until now."""
        self.seconds[name] = time.monotonic() - begun

    def workdir(self, name: str, number: int) -> Path:
        """A folder of its own for a try."""
        return self.scratch / f"{slug(name)}-{number:02d}"

    def differences(self, folder: Path) -> list[str]:
        """What differs between a run and the one without a fault, but for wall times."""
        try:
            return compare(self.fault_free, folder)
        except (OSError, FedrecError) as error:
            return [str(error)]


def slug(name: str) -> str:
    """A name as one of a folder."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def run_words(engine: str, folder: Path, *, every: int) -> list[str]:
    """The words of ``fedrec run``, with a checkpoint after so many rounds."""
    sets = SETTINGS | {"run.checkpoint-every": every}
    told = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    return ["run", "--quiet", *ENGINES[engine], "--out", str(folder), *told]


def fault_free(scratch: Path, seed: int, engines: Sequence[str]) -> Tries:
    """Run each engine once without a fault.

    Raises:
        FedrecError: A run fails, or differs from inline's.
    """
    tries = Tries(scratch, seed, {})
    for engine in ("inline", *(one for one in engines if one != "inline")):
        folder = scratch / f"fault-free-{engine}"
        workdir = scratch / f"where-{folder.name}"
        words = run_words(engine, folder, every=2)
        with Running(words, workdir, tries.home) as running:
            running.wait_until(lambda folder=folder: has_begun(folder), every=0.02)  # type: ignore[misc]  # mypy cannot infer a default
            begun = time.monotonic()
            code = running.end()
            tries.took(engine, begun)
            if code != 0 or (found := tries.differences(folder)):
                said = running.last_words() if code else "; ".join(found)
                raise FedrecError(f"{engine}, without a fault: exit code {code}, {said}")
    return tries


def has_begun(folder: Path) -> bool:
    """Whether a run has written a run.json, from which it can be resumed."""
    return (folder / "run.json").exists()


def num_lines(folder: Path) -> int:
    """Number of rounds recorded by a run, round 0 included."""
    try:
        return len(read_rounds(folder / "rounds.jsonl")[0])
    except DataError:
        return 0


def resume(tries: Tries, folder: Path, workdir: Path, *engine: str) -> tuple[int, str]:
    """Go on with a run that was killed, on its own engine or as told: exit code and last line."""
    return run_to_end(["resume", "--quiet", *engine, str(folder)], workdir, tries.home)


def phase(folder: Path) -> str:
    """What a run was doing when it was killed, by what it left."""
    try:
        about = read_json(folder / "run.json")
    except DataError:
        return "start-up"
    lines = num_lines(folder)
    if about.get("status") == "done":
        return ENDED if (folder / "report.html").exists() else REPORT
    if number := draft(folder):
        return f"saving checkpoint {number}"
    if not lines:
        return "start-up"
    return f"round {lines}" if lines <= ROUNDS else "final evaluation"


def draft(folder: Path) -> str:
    """The number of the checkpoint that is being written, or was; "" if none is."""
    try:
        names = [path.name for path in (folder / "checkpoints").iterdir()]
    except OSError:
        return ""
    return next((found[1].lstrip("0") or "0" for n in names if (found := DRAFT.fullmatch(n))), "")
