"""Section ``run`` of the run config."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.values.checks import Section, count, one_of
from fedrec.config.values.choices import TRACKERS, names_in

RUN_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
DEVICE_NAMES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # reserved on Windows


@dataclass(frozen=True, kw_only=True)
class Run(Section):
    """The run directory, resuming, checkpoints; of these only ``start_from`` decides results."""

    dir: str = ""  # folder of the run; by default one under $FEDREC_HOME/runs
    name: str = ""  # name of that folder under $FEDREC_HOME/runs
    overwrite: bool = False  # replace a run that is already in the folder
    resume: bool = False  # go on from the last checkpoint in the folder, if it holds a run
    extend: bool = False  # with resume: go on to another federation.rounds; run.json records it
    keep_client_state: bool = False  # clients keep private files of a complete run, to extend it
    accept_code_change: bool = False  # resume under other code; run.json records it
    # Weights to start from: the folder of a run or its name, or a file of weights.
    start_from: str = ""
    replay: str = ""  # folder of a run whose excluded replies are excluded again: fedrec verify
    checkpoint_every: int = 5  # rounds between two checkpoints; 0: none
    # Trackers that are told each round, separated by commas: tensorboard, mlflow, wandb.
    trackers: str = ""

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield run_name_problem(self.name)
        yield count("run.checkpoint-every", self.checkpoint_every, 0)
        for name in names_in(self.trackers):
            yield one_of("run.trackers", name, TRACKERS)
        if self.resume and self.overwrite:
            yield (
                "run.resume and run.overwrite contradict each other: one keeps what is in the "
                "folder, the other removes it; choose one"
            )
        if self.extend and not self.resume:
            yield "run.extend must be false without run.resume, got true"


def run_name_problem(name: str) -> str:
    """Refuse a run name that could leave the folder of runs or that no file system takes."""
    plain = RUN_NAME.fullmatch(name) and not DEVICE_NAMES.fullmatch(name)
    if not name or (plain and name.strip(".")):
        return ""
    shown = name if len(name) <= 40 else name[:40] + "..."
    return (
        f"run.name must be 1 to 64 letters, digits, '.', '_' or '-' and no reserved name, "
        f"got {shown!r}"
    )
