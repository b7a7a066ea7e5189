"""Sections of the run config that say how a model is judged, and where all of it is kept."""

import re
from dataclasses import dataclass

from fedrec.config.checks import count, one_of, require
from fedrec.config.choices import names_in
from fedrec.errors import ConfigError

RUN_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
DEVICE_NAMES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # reserved on Windows


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How ranks are made and summed up."""

    protocol: str = "full"  # the first of several is the main one
    at: str = "5,10,20"
    resamples: int = 1000
    ncf_negatives: str = ""  # NCF's file for the protocol ncf-99

    def __post_init__(self) -> None:
        protocols = self.protocols
        require(bool(protocols), "evaluation.protocol", "a list of protocols", self.protocol)
        for name in protocols:
            one_of(
                "evaluation.protocol",
                name,
                ("full", "uniform-100", "uniform-99", "popularity-100", "ncf-99"),
            )
        if "ncf-99" in protocols and not self.ncf_negatives:
            raise ConfigError(
                "evaluation.protocol has ncf-99, which reads its negatives from a file; name it "
                "in evaluation.ncf-negatives"
            )
        if not all(part.isdecimal() and int(part) > 0 for part in names_in(self.at)):
            raise ConfigError(
                f"evaluation.at must be whole numbers of 1 or more such as '5,10,20', "
                f"got {self.at!r}"
            )
        if 10 not in self.cutoffs:
            raise ConfigError(
                f"evaluation.at must hold 10, which selects the best round, got {self.at!r}"
            )
        count("evaluation.resamples", self.resamples)

    @property
    def protocols(self) -> tuple[str, ...]:
        """All protocols that ranks are made by."""
        return names_in(self.protocol)

    @property
    def main_protocol(self) -> str:
        """The first one: it picks the best round and names the curves."""
        return self.protocols[0]

    @property
    def cutoffs(self) -> tuple[int, ...]:
        """The k of HR@k and NDCG@k."""
        return tuple(int(part) for part in names_in(self.at))


@dataclass(frozen=True, kw_only=True)
class Run:
    """Where the run's folder is; no part of what is computed."""

    dir: str = ""
    name: str = ""
    overwrite: bool = False
    resume: bool = False  # go on from the last checkpoint in the folder, if it holds a run
    accept_code_change: bool = False  # resume under other code; run.json records it
    replay: str = ""  # a run's folder whose left-out replies are left out again: fedrec verify
    checkpoint_every: int = 5  # rounds; 0: never

    def __post_init__(self) -> None:
        check_run_name(self.name)
        count("run.checkpoint-every", self.checkpoint_every, 0)
        if self.resume and self.overwrite:
            raise ConfigError(
                "run.resume and run.overwrite contradict each other: one keeps what is in the "
                "folder, the other removes it; choose one"
            )


def check_run_name(name: str) -> None:
    """Refuse a run name that could leave the folder of runs or that no file system takes."""
    plain = RUN_NAME.fullmatch(name) and not DEVICE_NAMES.fullmatch(name)
    if name and (not plain or name.strip(".") == ""):
        shown = name if len(name) <= 40 else name[:40] + "..."
        raise ConfigError(
            f"run.name must be 1 to 64 letters, digits, '.', '_' or '-' and no reserved name, "
            f"got {shown!r}"
        )
