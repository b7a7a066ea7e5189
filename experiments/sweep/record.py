"""sweep.json: what a sweep was asked for, and what did not work; all else is in its runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.presets import read_preset
from experiments.sweep.plan import Plan
from fedrec.errors import ConfigError
from fedrec.runs.record import read_json
from fedrec.runs.redaction import hide_secrets_in_text, mark_secrets
from fedrec.runs.write import write_json

FILE = "sweep.json"


class SweepRecord:
    """The record of a sweep in its folder, which one process writes.

    Args:
        out: Folder of the sweep.
        plan: What it makes.
        command: What repeats this call.

    Raises:
        ConfigError: The folder holds something else, or a sweep of other settings.
    """

    def __init__(self, out: Path, plan: Plan, command: str) -> None:
        self._out, self._plan = out, plan
        before = _asked_before(out, plan)
        commands = [*before.get("commands", []), hide_secrets_in_text(command, plan.fixed)]
        runs = {run.folder.name for runs in plan.runs.values() for run in runs}
        self.failed: dict[str, str] = {}
        self.pruned: dict[str, int] = {}
        self._others = {k: v for k, v in before.get("failed", {}).items() if k not in runs}
        self._content = {
            "about": plan.grid.about,
            "commands": list(dict.fromkeys(commands)),
            "settings": _settings(plan),
            "within": list(plan.grid.strata),
            "seeds": plan.seeds,
            "cells": [
                {
                    "name": cell.name,
                    "preset": cell.preset,
                    "changes": mark_secrets(cell.changes),
                    "folder": cell.folder,
                }
                for cell in plan.cells
            ],
        }

    def write(self) -> None:
        """Write sweep.json as it is now.

        Raises:
            ResourceError: The folder cannot be written.
        """
        more = {"failed": self._others | self.failed, "pruned": self.pruned}
        write_json(self._out / FILE, self._content | more)


def _settings(plan: Plan) -> dict[str, Any]:
    """What all runs of a preset share: its own keys and those that were set, by its name."""
    return {
        preset: mark_secrets(dict(read_preset(preset)) | dict(plan.fixed))
        for preset in plan.grid.presets
    }


def _asked_before(out: Path, plan: Plan) -> Mapping[str, Any]:
    """What an earlier call has asked for in this folder.

    Raises:
        ConfigError: It was another preset, or other settings, or no sweep.
    """
    if not (out / FILE).exists():
        if out.exists() and (not out.is_dir() or _names(out)):
            raise ConfigError(
                f"{out} is not empty and holds no sweep (it has no {FILE}); choose another --out"
            )
        return {}
    before = read_json(out / FILE)
    earlier, own = before.get("settings", {}), _settings(plan)
    for preset in [one for one in own if one in earlier]:
        ours, theirs = own[preset], earlier[preset]
        keys = [k for k in {**theirs, **ours} if k not in plan.grid.keys]
        if other := [key for key in keys if ours.get(key) != theirs.get(key)]:
            key = other[0]
            was, now = _setting(key, theirs), _setting(key, ours)
            raise ConfigError(
                f"{out} holds the sweep of {preset} with {was}, not {now}; choose another --out"
            )
    return before


def _setting(key: str, values: Mapping[str, Any]) -> str:
    return f"{key} = {values[key]!r}" if key in values else f"{key} at its default"


def _names(out: Path) -> list[str]:
    """What lies in a folder, without the lock and the drafts of a call that was killed."""
    return [path.name for path in out.iterdir() if not path.name.startswith(".")]
