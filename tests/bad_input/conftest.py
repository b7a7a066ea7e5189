"""The real command on faulty input: a good table of 30 users and 25 items, and what ends how."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from experiments.cli import main

NUM_USERS, NUM_ITEMS, NUM_STEPS = 30, 25, 6
START = 1_000_000_000  # seconds, 2001
SMALL = """\
device = "cpu"
data.title-column = "title"
partition.count = 3
semantics = {encoder = "hashed", width = 8}
model = {width = 8, hidden = 8, blocks = 1, max-length = 8}
loss.negatives = 8
federation.rounds = 1
evaluation = {at = "5,10", resamples = 20}
run.name = "small"
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its exit code.
        shown: what it printed.
        errors: what it printed on stderr.
        left: new files and folders, relative to the test's folder; lock files do not count.
    """

    code: int
    shown: str
    errors: str
    left: frozenset[str]


@pytest.fixture
def fedrec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Ended]]:
    """Call the command as a shell would, in this process: words in, ``Ended`` out."""
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FEDREC_DEBUG", raising=False)
    before_all = signal.getsignal(signal.SIGTERM)

    def call(*words: object) -> Ended:
        monkeypatch.setattr(
            sys,
            "argv",
            ["fedrec", *(os.fspath(w) if isinstance(w, Path) else str(w) for w in words)],
        )
        before = _paths(tmp_path)
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        shown, errors = capsys.readouterr()
        return Ended(int(end.value.code or 0), shown, errors, frozenset(_paths(tmp_path) - before))

    yield call
    signal.signal(signal.SIGTERM, before_all)


def _paths(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.suffix != ".lock"}
