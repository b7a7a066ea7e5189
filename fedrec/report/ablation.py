"""What an ablation found, from its folder alone: each cell, and how it differs from its baseline.

Every user counts once: with the mean over the seeds, where all seeds rank the same people. A
difference is paired by user and held-out item, seed by seed, so that it is told apart from how
hard users are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, RenderableType

from fedrec.errors import DataError
from fedrec.evaluation.metrics import intervals
from fedrec.evaluation.significance import holm, sign_flip_p
from fedrec.report.ablation_bars import bars
from fedrec.report.ablation_tables import markdown, terminal
from fedrec.report.figures import save
from fedrec.report.history import (
    COMPLETE,
    Record,
    Run,
    read_json,
    read_run,
    replace_file,
    write_json,
)
from fedrec.report.ranked import (
    ALL,
    MAIN,
    METRICS,
    OTHERS,
    RARE,
    Ranked,
    held_back,
    paired,
    pooled,
    ranked,
)
from fedrec.report.references import IN_ONE_PLACE

CELLS_FILE = "cells.json"


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of a cell: those that are complete, by seed, and why the others are not."""

    complete: Mapping[int, Run]
    ranked: Mapping[int, Ranked]
    missing: Mapping[int, str]


def read_cells(out: Path) -> Record:
    """What was asked for: groups with their cells, and what failed.

    Raises:
        DataError: the folder is not that of an ablation.
    """
    if not (out / CELLS_FILE).exists():
        raise DataError(f"{out} has no {CELLS_FILE}; is it the folder of a `fedrec ablate`?")
    return read_json(out / CELLS_FILE)


def found(out: Path) -> Record:
    """Everything that tables and figures show: what ablation.json holds.

    Args:
        out: folder of the ablation.

    Raises:
        DataError: no ablation, or a damaged run in it.
    """
    asked = read_cells(out)
    seeds: dict[str, int] = {}
    for group in asked["groups"].values():
        for cell in group["cells"]:
            seeds[cell["folder"]] = max(group["seeds"], seeds.get(cell["folder"], 0))
    runs = {name: _read(out, name, range(seeds[name]), asked["failed"]) for name in seeds}
    groups = {name: _group(group, runs) for name, group in asked["groups"].items()}
    _correct([cell for group in groups.values() for cell in group["cells"]])
    complete = [run for one in runs.values() for run in one.complete.values()]
    return {
        **{key: asked[key] for key in ("preset", "sets", "kind", "commands")},
        "made by": _made_by(complete),
        "groups": groups,
    }


def write_ablation(out: Path, console: Console) -> RenderableType:
    """Write ablation.json, ablation.md and the bars; return the tables for a terminal.

    Args:
        out: folder of the ablation.
        console: whose width the tables take.
    """
    record = found(out)
    write_json(out / "ablation.json", record)
    replace_file(out / "ablation.md", markdown(record).encode())
    save(bars(record), out)
    return terminal(record, console)


def _read(out: Path, name: str, seeds: Sequence[int], failed: Mapping[str, str]) -> Runs:
    complete, missing = {}, {}
    for seed in seeds:
        folder = out / f"{name}-seed{seed}"
        run = read_run(folder) if (folder / "run.json").exists() else None
        if run is not None and run.status in COMPLETE:
            complete[seed] = run
        elif folder.name in failed:
            missing[seed] = f"failed: {failed[folder.name]}"
        else:
            missing[seed] = "not run yet" if run is None else run.status
    return Runs(complete, {seed: ranked(run) for seed, run in complete.items()}, missing)


def _group(group: Record, runs: Mapping[str, Runs]) -> Record:
    folders = {cell["name"]: cell["folder"] for cell in group["cells"]}
    cells = []
    for cell in group["cells"]:
        own = runs[cell["folder"]]
        record = cell | {"seeds": sorted(own.complete), "missing": _words(own.missing)}
        record["degraded"] = [s for s, run in own.complete.items() if run.status == "degraded"]
        if own.complete:
            record |= _measured(own, cell["name"])
            base = folders.get(cell["against"], cell["folder"])
            # Ranks of one protocol say nothing beside those of another.
            if base != cell["folder"] and _protocols(own, runs[base]) == 1:
                record["difference"] = _difference(own, runs[base], cell["name"])
                record["difference"] |= {"of": [cell["folder"], base]}
        cells.append(record)
    protocols = [run.protocol for cell in folders.values() for run in runs[cell].complete.values()]
    return {
        "about": group["about"],
        "seeds": group["seeds"],
        "protocol": protocols[0] if protocols else "full",
        "cells": cells,
    }


def _protocols(*cells: Runs) -> int:
    """How many protocols the complete runs of some cells were judged by."""
    return len({run.protocol for cell in cells for run in cell.complete.values()})


def _words(missing: Mapping[int, str]) -> dict[str, str]:
    return {str(seed): reason for seed, reason in missing.items()}


def _measured(own: Runs, name: str) -> Record:
    """Metrics over all held-out items; over rare ones and the others, where the scenario has them.

    The bootstrap of a cell is that of its name, as is that of its difference.
    """
    runs = list(own.complete.values())
    record: Record = {"seconds": float(np.mean([run.about["seconds"] for run in runs]))}
    record |= {"client_megabytes": _megabytes(runs), "held back": held_back(runs[0])[0]}
    people = own.ranked[min(own.ranked)]
    parts = (ALL,) if people.is_rare is None else (ALL, RARE, OTHERS)
    for part in parts:
        metrics = {metric: pooled(own.ranked, metric, part) for metric in METRICS}
        users = len(metrics[MAIN])
        record[part] = {"users": users}
        if users:
            record[part] |= intervals(metrics, 0, name=name)
    if RARE in parts:
        record[RARE]["chance"] = _chance(runs[0])
    per_seed = [pooled({seed: one}, MAIN, ALL).mean() for seed, one in own.ranked.items()]
    return record | {"per seed": [float(value) for value in per_seed]}


def _chance(run: Run) -> float | None:
    """HR@10 of any order on what the scenario holds back, as the run's own slices say it."""
    word = held_back(run)[0]
    for row in (run.metrics or {}).get("slices", {}).get("training events", ()):
        if row["slice"].startswith(word):
            return float(row["chance"]["HR@10"])
    return None


def _megabytes(runs: Sequence[Run]) -> float | None:
    """What a client moved while training, the mean over seeds; nothing in one place."""
    if any(str(run.about["engine"]).startswith(IN_ONE_PLACE) for run in runs):
        return None
    return float(np.mean([run.rounds[-1]["client_megabytes"] for run in runs]))


def _difference(own: Runs, base: Runs, name: str) -> Record:
    """How a cell differs from its baseline in NDCG@10, over the seeds that both have."""
    seeds = sorted({*own.ranked} & {*base.ranked})
    record: Record = {"seeds": seeds}
    for part in (ALL, RARE, OTHERS):
        values = paired(own.ranked, base.ranked, seeds, part)
        if not len(values):
            continue
        record[part] = {"users": len(values)} | intervals({MAIN: values}, 0, name=name)[MAIN]
        if part == ALL:
            record["p"] = sign_flip_p(values, 0, name=name)
    return record


def _correct(cells: Sequence[Record]) -> None:
    """Add Holm's p-value over all comparisons of the table; one that stands twice counts once."""
    tests: dict[tuple[str, ...], float] = {}
    for cell in cells:
        difference = cell.get("difference") or {}
        if "p" in difference:
            tests.setdefault(tuple(difference["of"]), difference["p"])
    corrected = dict(zip(tests, holm(list(tests.values())), strict=True))
    for cell in cells:
        difference = cell.get("difference") or {}
        if "p" in difference:
            # One comparison has one p-value, whatever it is called.
            difference["p"] = tests[tuple(difference["of"])]
            difference["p (Holm)"] = corrected[tuple(difference["of"])]


def _made_by(runs: Sequence[Run]) -> dict[str, Any]:
    """Data, machine and versions, as far as the runs agree."""
    if not runs:
        return {}
    about = runs[0].about
    return {
        "data": {key: about["data"].get(key) for key in ("name", "users", "items", "events")},
        "notes": sorted({note for run in runs for note in run.about["data"].get("notes", ())}),
        "cores": sorted({int(run.about["machine"]["cores"]) for run in runs}),
        "versions": about["versions"],
        "code": sorted({str(run.about["code"])[:12] for run in runs}),
    }
