"""SIGKILL of commands that make other runs than ``fedrec run``: ablations, sweeps, baselines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.chaos.kills import REDRAWS, said, sleep_into
from experiments.chaos.running import Running, run_to_end
from experiments.chaos.tries import SETTINGS, Outcome, Tries, slug
from experiments.reproducibility.verify import compare
from fedrec.errors import FedrecError
from fedrec.randomness import generator
from fedrec.runs.record import read_json

GROUP = "start"  # two runs
GRID = "model.identity-start=text,random"  # two runs
FEWER_ROUNDS = {"federation.rounds": 4, "run.checkpoint-every": 1}


@dataclass(frozen=True)
class Study:
    """A command that is killed, and what makes up for it.

    Attributes:
        name: Name of the fault in the table.
        begin: Folder -> words of the command.
        go_on: Folder -> words of the command that goes on.
        runs: Folder -> folders of its runs.
    """

    name: str
    begin: Callable[[Path], list[str]]
    go_on: Callable[[Path], list[str]]
    runs: Callable[[Path], list[Path]]

    def fault_free(self, tries: Tries) -> Path:
        """Folder of the undisturbed run, which is made at the first call.

        Raises:
            FedrecError: It fails.
        """
        workdir = tries.scratch / f"fault-free-{slug(self.name)}"
        folder = workdir / "made"
        if not folder.exists():
            with Running(self.begin(folder), workdir, tries.home) as running:
                begun = sleep_into(running, lambda: self.has_begun(folder), 0)
                if code := running.end():
                    raise FedrecError(f"{self.name}: exit code {code}, {running.last_words()}")
                tries.took(self.name, begun)
        return folder

    def has_begun(self, folder: Path) -> bool:
        """Whether one of its runs has."""
        return any((run / "run.json").exists() for run in self.runs(folder))

    def phase(self, folder: Path) -> str:
        """Statuses of its runs at the kill."""
        found = [run / "run.json" for run in self.runs(folder)]
        statuses = [read_json(path).get("status") for path in found if path.exists()]
        return f"{statuses.count('done')} runs done, {statuses.count('running')} running"

    def differences(self, first: Path, second: Path) -> list[str]:
        """What differs between two folders of it, a line each."""
        if (own := len(self.runs(first))) != (others := len(self.runs(second))):
            return [f"{own} runs, then {others}"]
        try:
            return [
                f"{a.name}: {line}"
                for a, b in zip(self.runs(first), self.runs(second), strict=True)
                for line in compare(a, b)
            ]
        except (OSError, FedrecError) as error:
            return [str(error)]


def _words(settings: dict[str, object]) -> list[str]:
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


def _ablation(workers: int) -> Study:
    settings = {key: value for key, value in (SETTINGS | FEWER_ROUNDS).items() if key != "seed"}

    def words(folder: Path) -> list[str]:
        options = ["--only", GROUP, "--workers", str(workers), "--out", str(folder)]
        return ["ablate", *options, *_words(settings)]

    where = "Ray" if workers > 1 else "one process"
    return Study(f"an ablation killed, {where}", words, words, _runs_in)


def _sweep(jobs: int) -> Study:
    settings = {key: value for key, value in (SETTINGS | FEWER_ROUNDS).items() if key != "seed"}

    def words(folder: Path) -> list[str]:
        options = ["--grid", GRID, "--jobs", str(jobs), "--out", str(folder)]
        return ["sweep", "synthetic", *options, *_words(settings)]

    where = "Ray" if jobs > 1 else "one process"
    return Study(f"a sweep killed, {where}", words, words, _runs_in)


def _runs_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*-seed*") if path.is_dir())


def _baseline(kind: str, going_on: Callable[[Path], list[str]] | None = None) -> Study:
    def words(folder: Path) -> list[str]:
        sets = _words(SETTINGS | FEWER_ROUNDS)
        return ["baseline", kind, "--out", str(folder), *sets]

    def again(folder: Path) -> list[str]:
        return [*words(folder), "--overwrite"]

    return Study(f"a {kind} baseline killed", words, going_on or again, lambda folder: [folder])


def _resume(folder: Path) -> list[str]:
    return ["resume", "--quiet", str(folder)]


ABLATIONS: Sequence[Study] = (_ablation(1), _ablation(2))
SWEEPS: Sequence[Study] = (_sweep(1), _sweep(2))
BASELINES: Sequence[Study] = (
    _baseline("centralised", _resume),
    _baseline("local-only"),  # which keeps no checkpoint
)


def kill_study(tries: Tries, study: Study, number: int) -> Outcome:
    """Kill a command and go on with it; all must end as without the kill.

    Args:
        tries: Shared parts of all tries.
        study: What is run.
        number: Number of this try.
    """
    whole = study.fault_free(tries)
    draw = generator(tries.seed, "chaos", study.name, number)
    for redraw in range(REDRAWS):
        workdir = tries.workdir(study.name, number) / str(redraw)
        folder = workdir / "made"
        with Running(study.begin(folder), workdir, tries.home) as running:
            seconds = draw.random() * tries.seconds[study.name]
            begun = sleep_into(running, lambda folder=folder: study.has_begun(folder), seconds)  # type: ignore[misc]  # mypy cannot infer a default
            if not running.goes_on():
                tries.took(study.name, begun)
                if running.failed():
                    return Outcome(study.name, "before the kill", False, running.last_words())
                continue
            running.kill()
            when = study.phase(folder)
            left = running.left_over()
        code, words = run_to_end(study.go_on(folder), workdir / "again", tries.home)
        found = study.differences(whole, folder)
        end = f"gone on with: exit code {code}, {said(found, left)}"
        end += f": {words}" if code else ""
        is_good = code == 0 and not found and not left
        return Outcome(study.name, when, is_good, end, len(left))
    return Outcome(study.name, "never", False, "every run ended before it could be killed")
