"""Run folders with ranks that a test gives, in a folder of the test's own."""

import numpy as np
import pytest

from fedrec.config.keys import read_config, to_toml
from fedrec.runs.write import append_round, write_csv, write_json


@pytest.fixture
def write_run(tmp_path):
    """``write_run(name, ranks, seed, ...)`` leaves a complete run of users 0, 1, ... in order.

    ``rounds`` are (round, seconds, megabytes, validation NDCG@10), ``own`` metrics by name.
    """

    def write(
        name, ranks, seed=0, *, targets=None, about=None, partitions=2, rounds=(), own=(), **keys
    ):
        folder = tmp_path / name
        folder.mkdir()
        changes = {key.replace("__", ".").replace("_", "-"): v for key, v in keys.items()}
        config = read_config({"data.source": "events.csv", "seed": seed} | changes)
        (folder / "config.toml").write_text(to_toml(config))
        users, values = np.arange(len(ranks)), np.array(ranks, dtype=np.float64)
        columns = {
            "user": users,
            "original_id": [f"u{user}" for user in users],
            "partition": users % partitions,
            "events": np.full(len(users), 5),
            "target": np.array(targets if targets is not None else users + 1),
            "rank": values,
            "HR@10": (values <= 10).astype(int),
            "NDCG@10": np.where(values <= 10, 1 / np.log2(1 + values), 0),
        }
        write_csv(folder / "users.csv", columns | dict(own))
        for number, seconds, megabytes, value in rounds or [(1, 2.0, 3.0, 0.1)]:
            record = {"round": number, "elapsed": seconds, "megabytes": megabytes}
            append_round(folder / "rounds.jsonl", record | {"validation": {"NDCG@10": value}})
        write_json(folder / "metrics.json", {"validation": {"NDCG@10": {"value": 0.1}}})
        data = {"name": "own", "hash": "9b1c" * 16, "users": len(users), "items": 20}
        known = {"format": 2, "status": "done", "engine": "inline", "name": name, "data": data}
        write_json(folder / "run.json", known | (about or {}))
        return folder

    return write


@pytest.fixture
def two_groups(write_run):
    """``two_groups(seeds)``: as many seeds of FedAvg, and of FedAdam, which ranks better."""

    def make(seeds, users=40, **keys):
        rng = np.random.default_rng(0)
        hard = rng.integers(1, 40, size=users)
        rounds = [(n, 2.0 * n, 3.0 * n, 0.1 + 0.01 * n) for n in range(4)]
        options = {"rounds": rounds} | keys
        return [
            write_run(f"{name}-{seed}", np.maximum(1, hard - gain + seed % 2), seed,
                      strategy__name=name, **options)
            for name, gain in (("fedavg", 0), ("fedadam", 9)) for seed in range(seeds)
        ]  # fmt: skip

    return make
