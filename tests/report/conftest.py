"""Run folders of ``tests.run_folders`` and the tasks of an ablation study, as fixtures."""

import numpy as np
import pytest

from fedrec.report.ablation.summary import TASKS_FILE, found
from fedrec.runs.write import append_round, write_csv, write_json
from tests.run_folders import make_run, report

__all__ = ["ask", "make_run", "report", "write_cell"]


@pytest.fixture
def write_cell(tmp_path):
    """``write_cell(name, seed, {person: (target, rank)})`` leaves a complete run."""

    def write(name, seed, ranks, *, source="/data/events.csv", scenario="", status="done"):
        folder = tmp_path / f"{name}-seed{seed}"
        folder.mkdir()
        values = np.array([rank for _, rank in ranks.values()], dtype=np.float64)
        columns = {
            "original_id": list(ranks),
            "events": np.full(len(ranks), 5),
            "target": np.array([target for target, _ in ranks.values()]),
            "rank": values,
            "HR@10": (values <= 10).astype(int),
            "NDCG@10": values,  # never read: it follows from the rank
        }
        write_csv(folder / "users.csv", columns)
        items = {"item": np.arange(1, 21), "training_events": np.arange(20)}
        write_csv(folder / "items.csv", items)
        text = f'[data]\nsource = "{source}"\n[scenario]\n{scenario}\n'
        (folder / "config.toml").write_text(text)
        append_round(folder / "rounds.jsonl", {"round": 1, "client_megabytes": 3.0 + seed})
        row = {"slice": "cold (0)", "chance": {"HR@10": 10 / 20}}
        slices = {"training events": [row]}
        write_json(folder / "metrics.json", {"protocol": "full", "slices": slices})
        about = {"format": 2, "status": status, "engine": "inline", "seconds": 10.0 * (seed + 1)}
        about |= {"data": {"name": "own", "users": len(ranks), "items": 20, "events": 99}}
        write_json(
            folder / "run.json",
            about | {"machine": {"cores": 2}, "versions": {"torch": "2"}, "code": "abcdef"},
        )

    return write


@pytest.fixture
def ask(tmp_path):
    """``ask({task: those it is compared with}, seeds)`` writes what an ablation is about."""

    def write(tasks, seeds=1, failed=None, folders=None, skipped=None, **groups):
        listed = {"main": tasks} | groups
        write_json(
            tmp_path / TASKS_FILE,
            {
                "preset": "own",
                "sets": [],
                "kind": "federated",
                "commands": ["fedrec ablate own"],
                "failed": failed or {},
                "groups": {
                    name: {
                        "about": "which is better",
                        "seeds": seeds,
                        "tasks": [
                            {
                                "name": task,
                                "folder": (folders or {}).get(task, task.lower()),
                                "kind": "federated",
                                "changes": {},
                                "against": against,
                                "skipped": (skipped or {}).get(task, ""),
                            }
                            for task, all_of_it in each.items()
                            for against in all_of_it.split("; ")
                        ],
                    }
                    for name, each in listed.items()
                },
            },
        )
        return {task["name"]: task for task in found(tmp_path)["groups"]["main"]["tasks"]}

    return write
