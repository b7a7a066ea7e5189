"""The commands that read a run folder, each on the folder ``run`` of a place."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.fuzz.forked import Command, without_report
from fedrec.errors import FedrecError

COMMANDS = ("load", "report", "recommend", "similar", "verify", "resume", "compare", "run")


def command_on(name: str, place: Path) -> Command:
    """A command on the folder ``run`` of a place; other folders of it are intact."""
    folder = str(place / "run")
    words = {
        "report": ("report", folder),
        "recommend": ("recommend", folder, "--user", "u1", "-k", "5", "--json"),
        "verify": ("verify", "--quiet", folder),
        "resume": ("resume", "--quiet", folder),
        "run": (
            "run",
            f"{folder}/config.toml",
            "--quiet",
            "--engine",
            "inline",
            "--out",
            str(place / "again"),
        ),
    }
    instead: dict[str, Callable[[], int]] = {
        "load": lambda: _told(lambda: _loaded(place / "run")),
        "similar": lambda: _told(lambda: _similar(place / "run")),
        "compare": lambda: _told(lambda: _compared(place / "run", place / "other")),
    }
    if name == "compare" and not (place / "other").exists():
        whole = place.parent / "whole" if place.parent.name != "whole" else place.parent
        shutil.copytree(whole / "finished" / "run", place / "other")
    before = _one_figure if name == "report" else without_report
    return Command(words.get(name, ()), place, place / "home", before, instead.get(name))


def _one_figure() -> None:
    """Let a report draw its first figure alone: each takes a third of a second."""
    from fedrec.report.figures import draw

    vars(draw)["FIGURES"] = draw.FIGURES[:1]


def _told(ask: Callable[[], Any]) -> int:
    """Print what is asked as JSON, or the error as the command tells it."""
    try:
        print(json.dumps(ask(), sort_keys=True, default=str))
    except FedrecError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    return 0


def _loaded(folder: Path) -> Any:
    import fedrec

    run = fedrec.load(folder)
    users = None if run.users is None else run.users.to_csv()
    told = [run.about, run.config, run.history, run.metrics, users, run.validation, run.best_round]
    return [*told, repr(run), run.protocol, run.name]


def _similar(folder: Path) -> Any:
    import fedrec

    ready = fedrec.open_recommender(folder)
    return [one._asdict() for one in ready.nearest(ready.catalog.item_ids[0], 5)]


def _compared(folder: Path, other: Path) -> Any:
    from experiments.reproducibility.compare import compare

    return compare(folder, other)
