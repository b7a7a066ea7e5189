"""How to repeat a run on another machine, what to run beside it, and how to cite it."""

import re
import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from fedrec.config.keys import flat_tables
from fedrec.report.references import BASELINE_ENGINE
from fedrec.runs.record import COMPLETE, Run

PLACEHOLDER = "PATH/TO/"
CONFIG = "config.toml"

# Options of `fedrec run` that say where and how a run is carried, not what it computes.
_WITH_VALUE = ("--out", "--name", "--address", "--workers")
_ALONE = ("--overwrite", "--resume", "--quiet", "-q")
_SEPARATORS = re.compile(r"( \+ |,|=)")

TITLE = (
    "fedrec: federated simulation for sequential recommendation with frozen semantic item "
    "embeddings"
)
AUTHORS = "The fedrec authors"
YEAR = "2026"


def portable(text: str) -> str:
    """A word of a command or a value of a config, with a placeholder for every absolute path."""
    return "".join(_portable(part) for part in _SEPARATORS.split(text))


def _portable(part: str) -> str:
    windows = PureWindowsPath(part)
    if windows.drive and windows.root:
        return PLACEHOLDER + windows.name
    if PurePosixPath(part).is_absolute() or part.startswith("~/"):
        return PLACEHOLDER + PurePosixPath(part).name
    return part


def repeat_command(run: Run) -> str:
    """A command that repeats a run on another machine: nothing of this one's folders is in it."""
    engine = str(run.about.get("engine", ""))
    if engine.startswith(BASELINE_ENGINE):
        return f"fedrec baseline {engine.removeprefix(BASELINE_ENGINE).rstrip(')')} {CONFIG}"
    words = _words(run)
    if words[:2] != ["fedrec", "run"]:
        return f"fedrec run {CONFIG}"
    return shlex.join(_with_config_file(_settings_alone(words)))


def _words(run: Run) -> list[str]:
    try:
        return shlex.split(str(run.about.get("command") or ""))
    except ValueError:  # no command of a shell, such as a call from Python
        return []


def _settings_alone(words: Sequence[str]) -> list[str]:
    """A command without what says where a run is put and who carries it."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, None)
        elif word not in _ALONE and not word.startswith(tuple(f"{one}=" for one in _WITH_VALUE)):
            kept.append(portable(word))
    return kept


def _with_config_file(words: Sequence[str]) -> list[str]:
    """A config file of the user's own becomes the one that lies in the run folder."""
    return [
        CONFIG if place > 1 and word.endswith(".toml") and words[place - 1] != "--set" else word
        for place, word in enumerate(words)
    ]


def repeat_notes(run: Run) -> list[str]:
    """What else the command needs on another machine."""
    command = repeat_command(run)
    notes = []
    if CONFIG in shlex.split(command):
        notes.append(f"{CONFIG} lies in the run folder; its content stands below.")
    source = str((run.config.get("data") or {}).get("source") or "")
    if PLACEHOLDER in portable(source):
        notes.append(
            f"data.source names a file of the machine that ran it: {portable(source)} stands for "
            "your copy."
        )
    return notes


def missing_references(run: Run) -> list[str]:
    """Of popularity, local-only and centralised, those that the run is not shown beside."""
    known = (run.metrics or {}).get("baselines") or {}
    wanted = ["popularity", "local-only", "centralised"]
    config = flat_tables(run.config)
    if config.get("evaluation.users") or config.get("scenario.unseen-users"):
        wanted.remove("local-only")  # refused: each client picks its weights by its own users
    if not (run.config.get("federation") or {}).get("share-counts", True):
        wanted.remove("popularity")  # refused: no client tells counts
    return [name for name in wanted if name not in known]


def beside_command(run: Run) -> str:
    """One line that makes what the run is not shown beside, and the report with it; else nothing.

    It is typed in the folder that holds the run's folder.
    """
    engine = str(run.about.get("engine", ""))
    missing = missing_references(run)
    if run.status not in COMPLETE or engine.startswith(BASELINE_ENGINE) or not missing:
        return ""
    name = run.folder.absolute().name
    made = {kind: f"{name}-{kind}" for kind in missing}
    lines = [[*_baseline(run, kind, name), "--out", folder] for kind, folder in made.items()]
    references = [word for folder in made.values() for word in ("--reference", folder)]
    lines.append(["fedrec", "report", name, *references])
    return " && ".join(map(shlex.join, lines))


def _baseline(run: Run, kind: str, name: str) -> list[str]:
    """The command of a baseline; a preset has a recipe of its own for the centralised model."""
    words = _settings_alone(_words(run))
    is_preset = words[:2] == ["fedrec", "run"] and not any(
        word.endswith(".toml") or PLACEHOLDER in word for word in words
    )
    if kind != "centralised" or not is_preset:
        return ["fedrec", "baseline", kind, f"{name}/{CONFIG}"]
    kept = ["fedrec", "baseline", kind]
    rest = iter(words[2:])
    for word in rest:
        if word == "--engine":
            next(rest, None)
        elif word == "--partitions":
            kept += ["--set", f"partition.count={next(rest, '')}"]
        elif not word.startswith("--engine="):
            kept.append(word)
    return kept


def citation(run: Run) -> str:
    """A BibTeX entry of fedrec, with the version and the code that made the run."""
    versions: dict[str, Any] = run.about.get("versions") or {}
    code = str(run.about.get("code") or "").removeprefix("sha256:")[:16]
    lines = [
        f"  title   = {{{TITLE}}}",
        f"  author  = {{{{{AUTHORS}}}}}",
        f"  year    = {{{YEAR}}}",
        f"  version = {{{versions.get('fedrec', '')}}}",
        "  license = {Apache-2.0}",
        *([f"  note    = {{code {code}}}"] if code else ()),
    ]
    return "@software{fedrec,\n" + ",\n".join(lines) + "\n}\n"
