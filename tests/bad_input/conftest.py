"""The real command on faulty input: good tables to spoil, and what a refusal must look like."""

import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import server.run
from clients import handlers, local_data
from experiments.cli.main import main
from experiments.reproducibility.verify import compare
from fedrec.factory import data, model
from fedrec.files.atomic import file_sha256
from fedrec.runs.checksums import CONFIG
from fedrec.runs.write import write_about
from server.lifecycle.signals import install_signal_handlers

NUM_USERS, NUM_ITEMS, NUM_STEPS = 30, 25, 6
START = 1_000_000_000  # seconds: 2001
GENRES = ("Drama", "Comedy", "War")
SMALL = """\
device = "cpu"
partition.count = 3
semantics = {encoder = "hashed", width = 8}
model = {width = 8, hidden = 8, blocks = 1, max-length = 8}
loss.negatives = 8
federation = {rounds = 1, share-counts-min-users = 1}
evaluation = {at = "5,10", resamples = 20}
run.name = "small"
"""
EVENTS = [
    (user, (user * 3 + step * 7) % NUM_ITEMS, START + user * 1000 + step * 10)
    for user in range(NUM_USERS)
    for step in range(NUM_STEPS)
]


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its exit code.
        shown: what it printed.
        errors: what it printed on stderr.
        left: new files and folders of FEDREC_HOME; lock files do not count.
    """

    code: int
    shown: str
    errors: str
    left: frozenset[str]


@pytest.fixture
def fedrec(
    fedrec_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Ended]]:
    """Call the command as a shell would, in this process: ``fedrec("data", "describe", ...)``."""
    monkeypatch.delenv("FEDREC_DEBUG", raising=False)
    handlers = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}

    def as_in_a_new_process() -> None:
        _forget()
        install_signal_handlers()  # which forgets the signals that came
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def paths() -> frozenset[str]:
        found = (path for path in fedrec_home.rglob("*") if path.suffix != ".lock")
        return frozenset(str(path.relative_to(fedrec_home)) for path in found)

    def call(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["fedrec", *map(str, words)])
        as_in_a_new_process()
        before = paths()
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        shown, errors = capsys.readouterr()
        return Ended(int(end.value.code or 0), shown, errors, paths() - before)

    yield call
    as_in_a_new_process()


def _forget() -> None:
    """Empty the caches of a process: every command begins in a new one."""
    for module in (data, model, local_data):
        for function in vars(module).values():
            if hasattr(function, "cache_clear") and function.__module__ == module.__name__:
                function.cache_clear()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A config of one round with a small model on three partitions."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def describe(fedrec: Callable[..., Ended], small: Path) -> Callable[..., Ended]:
    """``fedrec data describe`` of a file, with further ``key=value``."""
    return lambda path, *sets: fedrec(
        "data", "describe", small, *_sets(f"data.source={path}", *sets)
    )


@pytest.fixture
def run(fedrec: Callable[..., Ended], small: Path) -> Callable[..., Ended]:
    """``fedrec run`` on a file with the inline engine, with further ``key=value``.

    Without figures and page, which take ten times as long as all the rest; ``draw=True`` has them.
    """
    words = ("run", small, "--engine", "inline")

    def call(path: Path, *sets: str, draw: bool = False) -> Ended:
        with pytest.MonkeyPatch.context() as patch:
            if not draw:
                patch.setattr(server.run, "write_report", lambda path: None)
            return fedrec(*words, *_sets(f"data.source={path}", *sets))

    return call


def _sets(*texts: str) -> list[str]:
    return [word for text in texts for word in ("--set", text)]


@pytest.fixture
def refused() -> Callable[..., None]:
    """Check a refusal: exit code, one line with these words, no traceback, nothing half-made.

    A setting (exit code 2 or 5) may be refused after good data was prepared, whole; a data file
    leaves nothing. No refusal leaves the folder of a run.
    """

    def check(ended: Ended, code: int, *words: str) -> None:
        assert ended.code == code, ended.errors or ended.shown
        assert ended.errors.startswith("error: ")
        assert ended.errors.count("\n") == 1
        for word in words:
            assert word in ended.errors
        made = {path.split("/")[0] for path in ended.left if "/" in path}
        assert made <= (set() if code == 4 else {"prepared"})
        assert not [path for path in ended.left if "/." in path]

    return check


@pytest.fixture
def events() -> list[str]:
    """Lines of a good CSV: 30 users with 6 events each on 25 items; line k + 1 of the file at k."""
    return lines_of_events()


def lines_of_events() -> list[str]:
    rows = [f"u{user},i{item},{time},Film {item},{GENRES[item % 3]}" for user, item, time in EVENTS]
    return ["user,item,time,title,genres", *rows]


@pytest.fixture
def csv(tmp_path: Path) -> Callable[..., Path]:
    """Write lines, or bytes, to a file: ``csv(events)``."""

    def write(lines: list[str] | bytes, name: str = "events.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(lines if isinstance(lines, bytes) else "\n".join([*lines, ""]).encode())
        return path

    return write


@pytest.fixture
def movielens(tmp_path: Path) -> SimpleNamespace:
    """Lines of invented files in the layout of ml-1m, and ``folder()`` to write them."""
    files = SimpleNamespace(
        ratings=[f"{user + 1}::{item + 1}::{1 + item % 5}::{time}" for user, item, time in EVENTS],
        movies=[f"{k}::Film {k} ({1960 + k})::Drama|War" for k in range(1, NUM_ITEMS + 1)],
        users=[f"{k}::{'MF'[k % 2]}::25::{k % 20}::12345" for k in range(1, NUM_USERS + 1)],
    )

    def folder() -> Path:
        path = tmp_path / "ml"
        path.mkdir()
        for name in ("ratings", "movies", "users"):
            lines = [*getattr(files, name), ""]
            (path / f"{name}.dat").write_text("\n".join(lines), encoding="latin-1")
        return path

    files.folder = folder
    return files


@pytest.fixture
def stoppable() -> tuple[str, ...]:
    """Settings of a run of four rounds with a checkpoint after each."""
    return ("federation.rounds=4", "run.checkpoint-every=1", "model.private=gate-bias")


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    """Where the homes of runs that several tests begin with are kept, and those there are."""
    return tmp_path_factory.mktemp("homes"), {}


@pytest.fixture
def stopped(
    run: Callable[..., Ended],
    csv: Callable[..., Path],
    events: list[str],
    fedrec_home: Path,
    stoppable: tuple[str, ...],
    homes: tuple[Path, dict[str, Path]],
) -> Path:
    """The folder of a run of 4 rounds that Ctrl-C stopped in the last, with two checkpoints.

    It is stopped once; every test has a copy, and the data at its own path.
    """
    place, made = homes
    folder = fedrec_home / "runs" / "small"
    source = csv(events)
    if "stopped" not in made:
        _stop_in_the_last_round(run, source, stoppable)
        made["stopped"] = Path(shutil.copytree(fedrec_home, place / "stopped"))
        (place / "source").write_text(str(source))
    else:
        shutil.copytree(made["stopped"], fedrec_home)
        for name in ("config.toml", "run.json"):
            text = (folder / name).read_text()
            (folder / name).write_text(text.replace((place / "source").read_text(), str(source)))
        about = json.loads((folder / "run.json").read_text())
        about[CONFIG] = file_sha256(folder / "config.toml")
        write_about(folder / "run.json", about)
    assert [path.name for path in sorted((folder / "checkpoints").iterdir())] == [
        "round-00002",
        "round-00003",
    ]
    return folder


def _stop_in_the_last_round(
    run: Callable[..., Ended], source: Path, stoppable: tuple[str, ...]
) -> None:
    real, calls = handlers.train_partition, []

    def counted(*args: Any, **keywords: Any) -> Any:
        calls.append(keywords["round"])
        if len(calls) == 11:  # three clients a round
            signal.raise_signal(signal.SIGINT)
        return real(*args, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handlers, "train_partition", counted)
        ended = run(source, *stoppable)
    assert ended.code == 130, ended.errors
    assert calls[-1] == 4


@pytest.fixture
def whole(
    run: Callable[..., Ended],
    csv: Callable[..., Path],
    events: list[str],
    fedrec_home: Path,
    stoppable: tuple[str, ...],
    homes: tuple[Path, dict[str, Path]],
) -> Callable[[Path], None]:
    """``whole(folder)``: a run is complete and equals the one that nobody stopped."""

    def check(folder: Path) -> None:
        place, made = homes
        if "uninterrupted" not in made:
            ended = run(csv(events), *stoppable, "run.name=uninterrupted")
            assert ended.code == 0, ended.errors
            left = fedrec_home / "runs" / "uninterrupted"
            made["uninterrupted"] = Path(shutil.copytree(left, place / "uninterrupted"))
        assert compare(made["uninterrupted"], folder) == []
        assert json.loads((folder / "run.json").read_text())["status"] == "done"

    return check
