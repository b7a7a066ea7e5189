"""A run folder whose numbers come from formulas, to read, draw and print."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedrec.report.page import write_report
from fedrec.runs.write import append_round, write_csv, write_json

VIEWS = ["identity", "semantic", "content"]
CONFIG = """\
seed = 7
device = "cpu"

[data]
source = "synthetic"

[semantics]
encoder = "hashed"
width = 128

[model]
name = "hybrid"
views = ["identity", "semantic", "content"]

[local]
learning-rate = 0.001

[strategy]
name = "fedavg"

[evaluation]
protocol = "full"
"""


def cell(value: float, half: float) -> dict[str, float]:
    """A metric with its interval."""
    return {"value": value, "low": max(0.0, value - half), "high": min(1.0, value + half)}


def metric_cells(level: float, half: float = 0.012) -> dict[str, dict[str, float]]:
    """All metrics of a run whose HR@10 is `level`."""
    factors = {"HR@5": 0.66, "HR@10": 1.0, "HR@20": 1.4, "NDCG@5": 0.45, "NDCG@10": 0.56,
               "NDCG@20": 0.66, "MRR": 0.47, "Recall@10": 1.0}  # fmt: skip
    return {k: cell(level * f, half) for k, f in factors.items()} | {"AUC": cell(0.9, 0.004)}


def write_run_folder(
    folder: Path,
    *,
    rounds: int = 30,
    partitions: int = 10,
    users: int = 6040,
    about: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
    config: str = CONFIG,
    finished: bool = True,
) -> Path:
    """Write a whole run folder; `about` and `metrics` replace keys of run.json and metrics.json."""
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(config, encoding="utf-8")
    offsets = np.sin(np.arange(partitions) * 2.4) * 0.035
    best = max(1, round(0.8 * rounds)) if rounds else 0
    for number in range(rounds + 1):
        rise = 1 - np.exp(-number / (0.22 * max(rounds, 1)))
        hit = 0.012 + 0.27 * rise - 0.006 * max(0, number - best) / max(rounds, 1)
        values = {"HR@10": hit + offsets * rise, "NDCG@10": 0.56 * (hit + offsets * rise)}
        left_out = [{"partition": 4, "reason": "no answer within 60 s"}] if number == 3 else []
        is_evaluated = number % 2 == 0 or number == rounds or rounds < 5
        train = 9.0 if number else 0.0
        append_round(
            folder / "rounds.jsonl",
            {
                "round": number,
                "seconds": {"train": train, "aggregate": 0.2 * bool(number), "evaluate": 1.8,
                            "total": train + 2.0},
                "elapsed": 11.2 * number,
                "sampled": list(range(partitions)) if number else [],
                "aggregated": [
                    p for p in range(partitions) if number and not (number == 3 and p == 4)
                ],
                "excluded": left_out,
                "train_loss": None if number == 0 else 4.6 + 3.1 * np.exp(-number / 6),
                "targets": 981_491 if number else 0,
                "passes": float(number),
                "bytes_down": 13_400_000 * bool(number),
                "bytes_up": 13_300_000 * bool(number),
                "bytes_evaluate": 13_400_000,
                "megabytes": 26.7 * number,
                "validation": {"HR@10": hit, "NDCG@10": 0.56 * hit, "MRR": 0.47 * hit}
                if is_evaluated else None,
                "clients": {
                    name: {"p10": np.percentile(v, 10), "p50": np.percentile(v, 50),
                           "p90": np.percentile(v, 90), "worst_decile": v.min()}
                    for name, v in values.items()
                } if is_evaluated else None,
                "client_values": dict(values) if is_evaluated else None,
                "best": number == best,
            },
        )  # fmt: skip
    write_json(folder / "run.json", _about(rounds, best, partitions, users) | (about or {}))
    if finished:
        _write_end(folder, best, partitions, users, offsets, metrics or {})
    return folder


def _about(rounds: int, best: int, partitions: int, users: int) -> dict[str, Any]:
    return {
        "format": 2,
        "status": "done",
        "reason": "",
        "name": "ml-1m-fedavg",
        "command": "fedrec run ml-1m --set federation.rounds=30 --seed 7",
        "versions": {"fedrec": "0.1.0", "flwr": "1.41.0", "python": "3.11.9", "torch": "2.13.0"},
        "code": "sha256:" + "3f9a" * 16,
        "config_hash": "77aa" * 16,
        "data": {"name": "ml-1m", "hash": "9b1c" * 16, "source": "ml-1m.zip", "users": users,
                 "items": 3416, "events": 999_611,
                 "notes": ["Timestamps of 14 % of the events are equal to the one before: their "
                           "order was reconstructed from the order in the file."]},
        "semantics": {"encoder": "minilm", "sha256": "53aa" * 16, "key": "e2c1" * 8, "width": 128,
                      "fallback_texts": 3},
        "parameters": {"shared": 301_312, "private": 3, "frozen": 437_376,
                       "id_embeddings_travel": True},
        "seed": 7,
        "engine": "flower",
        "device": "cpu",
        "machine": {"cores": 2, "memory_gib": 15.6, "platform": "Linux-6.1-x86_64"},
        "started": "2026-11-21T02:00:00+00:00",
        "finished": "2026-11-21T02:05:38+00:00",
        "seconds": 11.2 * rounds + 2,
        "best_round": best,
        "partitions": [{"partition": p, "users": users // partitions, "targets": 90_000}
                       for p in range(partitions)],
    }  # fmt: skip


def _write_end(
    folder: Path, best: int, partitions: int, users: int, offsets: Any, metrics: dict[str, Any]
) -> None:
    share = (np.arange(users) * 0.6180339887) % 1.0
    events = np.round(5 + 15 * np.exp(4.2 * share**1.6)).astype(np.int64)
    luck = (np.arange(users) * 0.7548776662) % 1.0
    rank = np.maximum(1, np.round(3400 * luck ** (4.2 - 0.9 * share))).astype(np.float64)
    write_csv(
        folder / "users.csv",
        {
            "user": np.arange(users),
            "original_id": [f"{u + 1:04d}" for u in range(users)],
            "partition": np.arange(users) % partitions,
            "events": events,
            "target": 1 + np.arange(users) % 3416,
            "rank": rank,
            "HR@10": (rank <= 10).astype(np.float64),
            "NDCG@10": np.where(rank <= 10, 1 / np.log2(1 + rank), 0.0),
        },
    )

    def sliced(names: list[str], step: float) -> list[dict[str, Any]]:
        return [
            {"slice": name, "users": 1900 - 310 * i, "metrics": metric_cells(0.2 + step * i, 0.02)}
            for i, name in enumerate(names)
        ]

    lengths = ["3-20", "21-50", "51-100", "101-200", "201 and more"]
    popular = ["5-20 (rare)", "21-100", "101-500", "501 and more"]

    def gate(names: list[str]) -> list[dict[str, Any]]:
        first = [0.2 + 0.09 * i for i in range(len(names))]
        return [{"slice": n, "positions": 9 ** (i + 1), "weights": [w, 0.92 - w, 0.08]}
                for i, (n, w) in enumerate(zip(names, first, strict=True))]  # fmt: skip

    content = {
        "protocol": "full",
        "best_round": best,
        "validation": metric_cells(0.276),
        "test": metric_cells(0.261),
        "slices": {"history length": sliced(lengths, 0.022),
                   "item popularity": sliced(popular, 0.06)},
        "clients": [
            {"partition": p, "users": users // partitions,
             "metrics": {"HR@10": cell(0.261 + o, 0.03), "NDCG@10": cell(0.146 + 0.6 * o, 0.02)}}
            for p, o in enumerate(offsets)
        ],
        "gates": {"views": VIEWS, "position": gate(["1", "2-3", "4-7", "8-15", "16-31"]),
                  "item popularity": gate(["never seen", "1", "2-3", "4-7", "8-15", "16-31"]),
                  "history length": gate(["4-7", "8-15", "16-31"]),
                  "item popularity, whole catalogue": gate(["never seen", "4-7"])},
        "baselines": {
            "popularity": {"validation": metric_cells(0.045), "test": metric_cells(0.041)},
            "oracle": {"validation": metric_cells(0.36), "test": metric_cells(0.35)},
            "centralised": {"validation": metric_cells(0.285), "test": metric_cells(0.272)},
        },
    }  # fmt: skip
    write_json(folder / "metrics.json", content | metrics)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run folder under the test's own folder and return its path."""
    return lambda name="run", **changes: write_run_folder(tmp_path / name, **changes)


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run folder with its report, to look at and not to change."""
    folder = write_run_folder(tmp_path_factory.mktemp("report") / "run", rounds=6, users=300)
    write_report(folder, png=True)
    return folder
