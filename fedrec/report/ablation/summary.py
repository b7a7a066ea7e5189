"""Results of an ablation, from its folder alone: each task and its difference to its baseline.

Every user counts once: with the mean over the seeds, where all seeds rank the same people. A
difference is paired by user and held-out item, seed by seed, so that it is told apart from how
hard users are. A group shows the seeds that all its tasks ran. One run has one interval and two
runs have one comparison, in whichever groups of as many seeds they stand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, RenderableType

from fedrec.errors import DataError
from fedrec.evaluation.bootstrap import intervals
from fedrec.files.atomic import write_file
from fedrec.report.ablation.bars import bars
from fedrec.report.ablation.comparisons import Pair, comparison, correct, pair_of, seen_from
from fedrec.report.ablation.tables import markdown, terminal
from fedrec.report.figures.draw import save
from fedrec.report.ranks import (
    ALL,
    MAIN,
    METRICS,
    OTHERS,
    RARE,
    TestRanks,
    held_back,
    pooled,
    read_test_ranks,
    told_apart,
)
from fedrec.report.references import BASELINE_ENGINE
from fedrec.runs.record import COMPLETE, Record, Run, read_json, read_run
from fedrec.runs.write import write_json

TASKS_FILE = "tasks.json"
SKIPPED = "skipped"  # a task that the preset or the data do not allow; no failure


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of a task: those that are complete, by seed, and why the others are not."""

    folder: str
    complete: Mapping[int, Run]
    ranks: Mapping[int, TestRanks]
    missing: Mapping[int, str]

    def up_to(self, seeds: int) -> "Runs":
        """The runs of the first seeds: other groups may have asked for more."""
        return Runs(
            self.folder,
            {seed: run for seed, run in self.complete.items() if seed < seeds},
            {seed: ranks for seed, ranks in self.ranks.items() if seed < seeds},
            {seed: why for seed, why in self.missing.items() if seed < seeds},
        )


Comparisons = dict[tuple[Pair, int], Record]  # by the two folders and the seeds of the group


def read_tasks(out: Path) -> Record:
    """What was asked for: groups with their tasks, and what failed.

    Raises:
        DataError: The folder is not that of an ablation.
    """
    if not (out / TASKS_FILE).exists():
        raise DataError(f"{out} has no {TASKS_FILE}; is it the folder of a `fedrec ablate`?")
    return read_json(out / TASKS_FILE)


def found(out: Path) -> Record:
    """Everything that tables and figures show: what ablation.json holds.

    Args:
        out: Folder of the ablation.

    Raises:
        DataError: No ablation, or a damaged run in it.
    """
    asked = read_tasks(out)
    seeds: dict[str, int] = {}
    for group in asked["groups"].values():
        for task in group["tasks"]:
            seeds[task["folder"]] = max(group["seeds"], seeds.get(task["folder"], 0))
    tasks = [task for group in asked["groups"].values() for task in group["tasks"]]
    skipped = {task["folder"]: task["skipped"] for task in tasks if task.get("skipped")}
    runs = {
        name: _read(out, name, range(seeds[name]), asked["failed"], skipped.get(name, ""))
        for name in seeds
    }
    comparisons: Comparisons = {}
    groups = {name: _group(group, runs, comparisons) for name, group in asked["groups"].items()}
    correct(list(comparisons.values()))
    for group in groups.values():
        for task in group["tasks"]:
            if "difference" in task:
                one, other = task["folder"], task["difference"]["of"][1]
                key = (pair_of(one, other), group["seeds"])
                task["difference"] |= seen_from(one, comparisons[key])
    complete = [run for one in runs.values() for run in one.complete.values()]
    return {
        **{key: asked[key] for key in ("preset", "sets", "kind", "commands")},
        "made by": _made_by(complete),
        "groups": groups,
    }


def write_ablation(out: Path, console: Console) -> RenderableType:
    """Write ablation.json, ablation.md and the bars; return the tables for a terminal.

    Args:
        out: Folder of the ablation.
        console: Console whose width the tables take.
    """
    record = found(out)
    write_json(out / "ablation.json", record)
    write_file(out / "ablation.md", markdown(record).encode())
    save(bars(record), out, png=True)
    return terminal(record, console)


def _read(
    out: Path, name: str, seeds: Sequence[int], failed: Mapping[str, str], skipped: str
) -> Runs:
    complete, missing = {}, {}
    for seed in seeds:
        folder = out / f"{name}-seed{seed}"
        run = read_run(folder) if (folder / "run.json").exists() else None
        if run is not None and run.status in COMPLETE:
            complete[seed] = run
        elif skipped:
            missing[seed] = f"{SKIPPED}: {skipped}"
        elif folder.name in failed:
            missing[seed] = f"failed: {failed[folder.name]}"
        else:
            missing[seed] = "not run yet" if run is None else run.status
    return Runs(
        name, complete, {seed: read_test_ranks(run) for seed, run in complete.items()}, missing
    )


def _group(group: Record, runs: Mapping[str, Runs], comparisons: Comparisons) -> Record:
    """A group with what was found; further comparisons are added to those that there are."""
    runs = {name: one.up_to(group["seeds"]) for name, one in runs.items()}
    folders = {task["name"]: task["folder"] for task in group["tasks"]}
    first: dict[str, str] = {}
    tasks: list[Record] = []
    for task in group["tasks"]:
        own = runs[task["folder"]]
        twin = first.setdefault(task["folder"], task["name"])
        if twin != task["name"] and task["name"] in (one["name"] for one in tasks):
            continue  # said once, with however many it was to be compared
        record = task | {"seeds": sorted(own.complete), "missing": _words(own.missing)}
        record["degraded"] = [s for s, run in own.complete.items() if run.status == "degraded"]
        record["same as"] = "" if twin == task["name"] else twin
        if own.complete:
            base = runs[folders.get(task["against"], own.folder)]
            record |= _measured(own, base)
            if not record["same as"] and _can_be_compared(own, base):
                record["difference"] = {"of": [own.folder, base.folder]}
                pair = pair_of(own.folder, base.folder)
                key = (pair, group["seeds"])
                if key not in comparisons:
                    comparisons[key] = comparison(pair, *(runs[name].ranks for name in pair))
        tasks.append(record)
    protocols = [run.protocol for task in folders.values() for run in runs[task].complete.values()]
    return {
        "about": group["about"],
        "seeds": group["seeds"],
        "protocol": protocols[0] if protocols else "full",
        "tasks": tasks,
    }


def _can_be_compared(own: Runs, base: Runs) -> bool:
    """Whether two tasks differ and were evaluated under the same protocol."""
    protocols = {run.protocol for task in (own, base) for run in task.complete.values()}
    return own is not base and bool(base.complete) and len(protocols) == 1


def _words(missing: Mapping[int, str]) -> dict[str, str]:
    return {str(seed): reason for seed, reason in missing.items()}


def _measured(own: Runs, base: Runs) -> Record:
    """Metrics over all held-out items; over rare ones and the others, where the scenario has them.

    A run that holds nothing back is measured on what the one it is compared with holds back. The
    bootstrap is that of the folder.
    """
    runs = list(own.complete.values())
    ranks = {seed: told_apart(one, base.ranks.get(seed, one)) for seed, one in own.ranks.items()}
    record: Record = {"seconds": float(np.mean([run.about["seconds"] for run in runs]))}
    word, most = held_back(runs[0])
    record |= {"client_megabytes": _megabytes(runs), "held back": word, "most": most}
    has_rare = any(one.is_rare is not None for one in ranks.values())
    parts = (ALL, RARE, OTHERS) if has_rare else (ALL,)
    for part in parts:
        metrics = {metric: pooled(ranks, metric, part) for metric in METRICS}
        users = len(metrics[MAIN])
        record[part] = {"users": users}
        if users:
            record[part] |= intervals(metrics, 0, name=own.folder)
    if RARE in parts:
        record[RARE]["chance"] = _chance(runs[0] if word else next(iter(base.complete.values())))
    per_seed = [pooled({seed: one}, MAIN, ALL).mean() for seed, one in own.ranks.items()]
    return record | {"per seed": [float(value) for value in per_seed]}


def _chance(run: Run) -> float | None:
    """HR@10 of any order on what the scenario holds back, as the run's own slices say it."""
    word = held_back(run)[0]
    for row in (run.metrics or {}).get("slices", {}).get("training events", ()):
        if row["slice"].startswith(word):
            return float(row["chance"]["HR@10"])
    return None


def _megabytes(runs: Sequence[Run]) -> float | None:
    """What a client moved while training, the mean over seeds; None of a centralised ablation."""
    if any(str(run.about["engine"]).startswith(BASELINE_ENGINE) for run in runs):
        return None
    return float(np.mean([run.history[-1]["client_megabytes"] for run in runs]))


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
