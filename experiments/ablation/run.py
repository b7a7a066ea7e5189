"""Run the grid of `fedrec ablate`, as many runs at a time as there are workers.

What is asked for is kept in tasks.json of the folder, together with what failed; all else is in the
folders of the runs. So a second call goes on where the first one ended, and a table can be made
from the folder alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.ablation.grid import (
    PRESET,
    AblationTask,
    Group,
    chosen_groups,
    placed_grid,
    read_grid,
    run_config,
    task_config,
)
from experiments.ablation.grid_checks import check_base, check_run, checked
from experiments.settings import parse_sets, resolve
from experiments.sweep.making import Failures, Room, Show, make_runs, saying_how_to_go_on
from experiments.sweep.planned import CENTRALISED, FEDERATED, PlannedRun, is_done
from fedrec.config.config import Config
from fedrec.config.keys import config_hash, flatten, read_config
from fedrec.errors import ConfigError
from fedrec.factory.data import open_prepared
from fedrec.factory.fit_defaults import fit_defaults
from fedrec.files.home import home
from fedrec.files.paths import followed
from fedrec.report.ablation.summary import TASKS_FILE, read_tasks
from fedrec.runs.write import write_json


def ablation_folder(source: str | None, out: str | None, *, centralised: bool) -> Path:
    """Where an ablation lies: always the same place for a preset, so that it can go on."""
    if out:
        return followed(Path(out))
    name = Path(source or "defaults").stem + ("-centralised" if centralised else "")
    return home() / "runs" / f"ablate-{name}"


def ablate(
    source: str | None,
    sets: Sequence[str],
    *,
    out: Path,
    command: str,
    centralised: bool = False,
    only: Sequence[str] = (),
    seeds: int = 1,
    workers: int | None = None,
    trust: bool = False,
    show: Show,
) -> Failures:
    """Make every run of the grid that is not there yet.

    Args:
        source: Preset or TOML file; the defaults when none is given.
        sets: Further ``key=value`` settings; a task's own changes win over them.
        out: Folder of the ablation, absolute.
        command: What repeats this call, for the record.
        centralised: Train in one place, instead of federated.
        only: Names of groups; all of them when none is given.
        seeds: How many, from 0; a group may ask for more.
        workers: Runs at a time; one per usable core when None. One needs no Ray.
        trust: Import the modules that the config of a run's folder names, if any.
        show: What goes on: called with the runs to be made and how many are complete already; what
            it yields is called with each run that ends.

    Returns:
        The runs of this call that failed, each with its reason; tasks that were skipped
        are in tasks.json, with their reasons.

    Raises:
        ConfigError: A mistake in the settings, or a folder that holds something else.
        DataError: The data cannot be read.
        ResourceError: The data cannot be fetched, or Ray does not start.
    """
    if seeds < 1:
        raise ConfigError(f"--seeds must be 1 or more, got {seeds}")
    room = Room(jobs=workers)
    room.check("workers")
    if "seed" in parse_sets(sets):
        raise ConfigError("--set seed=... contradicts --seeds, which runs seeds 0, 1, ...")
    options = {"run.resume": True, "run.name": ""}
    base = resolve(source, sets, options, centralised=centralised, trust=trust)
    check_base(base)
    base = fit_defaults(base)
    kind = CENTRALISED if centralised else FEDERATED
    chosen_groups(read_grid(kind), only)
    asked = {
        "preset": source or "",
        "sets": list(sets),
        "kind": kind,
        "config_hash": config_hash(base),
    }
    tasks = _asked_before(out, asked) | asked
    check_run(base, AblationTask(PRESET, kind, {}))
    groups = placed_grid(base, kind, open_prepared(base).dataset.catalog)
    chosen = checked(base, chosen_groups(groups, only))
    tasks["commands"] = list(dict.fromkeys([*tasks.get("commands", []), command]))
    before = tasks.get("groups", {})
    listed = {group.name: _listed(group, seeds, before.get(group.name)) for group in chosen}
    together = before | listed
    tasks["groups"] = {g.name: together[g.name] for g in groups if g.name in together}
    planned_runs, failures = _planned_runs(base, chosen, seeds, out), Failures()
    waiting = [planned for planned in planned_runs if not is_done(planned)]
    kept = tasks.get("failed", {})
    ours = {planned.folder.name for planned in planned_runs}
    out.mkdir(parents=True, exist_ok=True)

    def keep() -> None:
        others = {name: why for name, why in kept.items() if name not in ours}
        write_json(out / TASKS_FILE, tasks | {"failed": others | failures})

    keep()
    with saying_how_to_go_on(), show(waiting, len(planned_runs) - len(waiting)) as shown:

        def on_end(planned: PlannedRun, reason: str) -> None:
            if reason:
                failures[planned.folder.name] = reason
                keep()
            shown(planned, reason)

        make_runs(waiting, room, base, on_end)
    return failures


def _asked_before(out: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """What earlier calls have asked for in this folder.

    Raises:
        ConfigError: It was another preset, or other settings, or no ablation.
    """
    if not (out / TASKS_FILE).exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ConfigError(
                f"{out} is not empty and holds no ablation (it has no {TASKS_FILE}); choose "
                "another --out"
            )
        return {}
    before = read_tasks(out)
    for key in ("kind", "config_hash"):
        if before.get(key) != asked[key]:
            sets = " ".join(f"--set {one}" for one in before.get("sets", []))
            was = f"{before.get('preset') or 'the defaults'} {sets}".strip()
            raise ConfigError(
                f"{out} holds the {before.get('kind')} ablation of {was}; choose another --out"
            )
    return before


def _listed(group: Group, seeds: int, before: dict[str, Any] | None) -> dict[str, Any]:
    """A group as tasks.json keeps it."""
    return {
        "about": group.about,
        "seeds": max(seeds, group.seeds, (before or {}).get("seeds", 0)),
        "tasks": [
            {
                "name": task.name,
                "kind": task.kind,
                "changes": task.changes,
                "against": task.against,
                "folder": task.folder,
                "skipped": task.skipped,
            }
            for task in group.tasks
        ],
    }


def _planned_runs(base: Config, groups: Sequence[Group], seeds: int, out: Path) -> list[PlannedRun]:
    """Every run of the tasks that are not skipped, once; seed by seed."""
    tasks = {task.folder: task for group in groups for task in group.tasks if not task.skipped}
    wanted = dict.fromkeys(tasks, seeds)
    for group in groups:
        for task in group.tasks:
            if task.folder in wanted:
                wanted[task.folder] = max(wanted[task.folder], group.seeds)
    return [
        _planned(base, task, seed, out / f"{folder}-seed{seed}")
        for seed in range(max(wanted.values(), default=0))
        for folder, task in tasks.items()
        if seed < wanted[folder]
    ]


def _planned(base: Config, task: AblationTask, seed: int, folder: Path) -> PlannedRun:
    kept = run_config(base, task, seed, folder)
    return PlannedRun(
        folder,
        task.kind,
        read_config(flatten(task_config(base, task, seed, folder))),
        config_hash(kept),
        kept.federation.rounds,
    )
