"""The runs below a folder, as ``fedrec ls`` shows them."""

import json
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from experiments.housekeeping.sizes import bytes_in, shown_bytes
from experiments.presets import preset_names
from fedrec.errors import DataError
from fedrec.runs.directory import is_locked
from fedrec.runs.plain_text import plain
from fedrec.runs.record import COMPLETE, number, read_about, read_json, read_rounds

DEPTH = 3  # folders of sweeps and ablations hold runs, and none lies deeper


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A run in a list.

    Attributes:
        folder: Folder of the run.
        state: Its status; "killed" where run.json says running and no process holds the folder,
            "damaged" where it cannot be read.
        preset: Preset that its command names, else the name of its data.
        rounds: Last round and planned rounds.
        ndcg: Test NDCG@10, or the best of the validation in parentheses.
        started: Date and minute, UTC.
        size: Bytes of the folder.
    """

    folder: Path
    state: str
    preset: str = ""
    rounds: str = ""
    ndcg: str = ""
    started: str = ""
    size: int = 0


def runs_below(folder: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Folders with a run.json; nothing is looked for inside a run."""
    if (folder / "run.json").is_file():
        yield folder
    elif depth:
        for below in sorted(folder.iterdir()) if folder.is_dir() else ():
            if below.is_dir() and not below.is_symlink():
                yield from runs_below(below, depth - 1)


def listed(folder: Path) -> Listed:
    """What a list tells of a run; a damaged one is in the list, too."""
    size = bytes_in(folder)
    try:
        about = read_about(folder)
        history, _ = read_rounds(folder / "rounds.jsonl", must_exist=False)
        is_done = about.get("status") in COMPLETE
        metrics = read_json(folder / "metrics.json") if is_done else {}
        planned = _planned(folder)
    except (DataError, OSError, ValueError):
        return Listed(folder=folder, state="damaged", size=size)
    state = str(about.get("status"))
    if state == "running" and not is_locked(folder):
        state = "killed"
    last = history[-1]["round"] if history else "-"
    return Listed(
        folder=folder,
        state=state,
        preset=_preset(about),
        rounds=f"{last}/{planned}",
        ndcg=_ndcg(metrics, history),
        started=str(about.get("started", ""))[:16].replace("T", " "),
        size=size,
    )


def _planned(folder: Path) -> object:
    config = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
    return config.get("federation", {}).get("rounds", "-")


def _preset(about: dict[str, Any]) -> str:
    try:
        words = shlex.split(str(about.get("command", "")))
    except ValueError:
        words = []
    named = [word for word in words if word in preset_names()]
    return named[0] if named else str((about.get("data") or {}).get("name", ""))


def _ndcg(metrics: dict[str, Any], history: list[dict[str, Any]]) -> str:
    test = number((metrics.get("test") or {}).get("NDCG@10"))
    if test is not None:
        return f"{test:.4f}"
    values = [(line.get("validation") or {}).get("NDCG@10") for line in history]
    found = [value for value in values if value is not None]
    return f"({max(found):.4f})" if found else "-"


def runs_table(runs: list[Listed], folder: Path) -> Table:
    """The list, the newest run first."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title=f"runs in {folder}")
    table.title_justify = "left"
    for header in ("run", "state", "preset", "rounds", "NDCG@10", "started", "size"):
        is_left = header in ("run", "state", "preset", "started")
        table.add_column(header, justify="left" if is_left else "right", overflow="fold")
    for run in runs:
        name = run.folder.relative_to(folder) if run.folder != folder else run.folder.name
        cells = (str(name), run.state, run.preset, run.rounds, run.ndcg, run.started)
        table.add_row(*map(plain, cells), shown_bytes(run.size))
    if any(run.ndcg.startswith("(") for run in runs):
        table.caption = "(in parentheses: validation, best so far)"
        table.caption_justify = "left"
    return table


def as_json(runs: list[Listed]) -> str:
    """The list as JSON."""
    return json.dumps([vars(run) | {"folder": str(run.folder)} for run in runs], indent=1)
