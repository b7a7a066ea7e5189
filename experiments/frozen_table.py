"""What the frozen table of meanings is worth: the same run with it off, on, and dealt out wrong.

``python -m experiments.frozen_table synthetic --seeds 3 --out DIR`` runs the preset nine times and
prints one table. "shuffled" gives every item another item's meaning, which keeps the number of
parameters and the distribution of the vectors and takes only the meaning away. "off" drops the
semantic view and starts identity rows at random instead of from the text. All three runs of a
seed share data, partition, negatives and dropout masks, so differences are paired by user.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from experiments.run import run
from experiments.settings import resolve
from fedrec.config import Config
from fedrec.config_keys import config_hash
from fedrec.errors import ConfigError, FedrecError
from fedrec.evaluation.metrics import intervals, ndcg
from fedrec.protocol import code_fingerprint
from fedrec.report.history import COMPLETE, read_json

WAYS: dict[str, dict[str, Any]] = {
    "off": {"model.views": "identity,content", "model.identity-start": "random"},
    "on": {},
    "shuffled": {"semantics.shuffled": True},
}


def compare(
    preset: str, sets: list[str], seeds: int, out: Path, engine: str
) -> list[dict[str, Any]]:
    """Run every way with every seed; one record a way, pooled over seeds and users.

    Args:
        preset: name of a preset or a config file.
        sets: further ``key=value`` settings.
        seeds: how many, from 0.
        out: folder that takes the run folders; finished ones are not run again.
        engine: as in ``fedrec run``.
    """
    found: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
    early: dict[str, list[float]] = {way: [] for way in WAYS}
    data: set[str] = set()
    for seed in range(seeds):
        for way, change in WAYS.items():
            folder = out / f"{way}-seed{seed}"
            config = resolve(preset, sets, change | {"seed": seed, "run.dir": str(folder)})
            if not _is_done(folder, config):
                command = f"fedrec run {folder / 'config.toml'} --engine {engine}"
                run(config, engine=engine, command=command)
            data.add(read_json(folder / "run.json")["data"]["hash"])
            with np.load(folder / "ranks.npz") as arrays:
                ranks = arrays[f"rank_{config.evaluation.main_protocol}"]
            found[way].append(ndcg(ranks, 10))
            early[way].append(_early(folder))
    # Seeds of one dataset rank the same users: each counts once, with the mean of its seeds.
    # Synthetic data has other users for every seed.
    same_users = len(data) == 1
    pooled = {
        way: np.mean(each, axis=0) if same_users else np.concatenate(each)
        for way, each in found.items()
    }
    return [
        {
            "table": way,
            **intervals({"NDCG@10": values, "gain": values - pooled["off"]}, 0, name=way),
            "per seed": [float(each.mean()) for each in found[way]],
            "early validation": early[way],
        }
        for way, values in pooled.items()
    ]


def _is_done(folder: Path, config: Config) -> bool:
    """Whether the folder holds this very run, finished by this very code.

    Raises:
        ConfigError: it holds another run, which is not replaced unasked.
    """
    if not (folder / "run.json").is_file():
        return False
    about = read_json(folder / "run.json")
    if about["config_hash"] == config_hash(config) and about["code"] == code_fingerprint():
        return about["status"] in COMPLETE
    raise ConfigError(
        f"{folder} holds a run of another config or other code; choose another --out or remove it"
    )


def _early(folder: Path) -> float:
    """Validation NDCG@10 at the evaluation nearest to a quarter of the rounds."""
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    judged = [line for line in lines if line["validation"] and line["round"]]
    quarter = lines[-1]["round"] / 4
    nearest = min(judged, key=lambda line: abs(line["round"] - quarter))
    return float(nearest["validation"]["NDCG@10"])


def main(
    preset: str,
    sets: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE")] = None,
    seeds: int = 3,
    out: Path = Path("runs/frozen-table"),
    engine: str = "inline",
) -> None:
    """Print the comparison and keep it as frozen-table.json in ``out``."""
    try:
        records = compare(preset, sets or [], seeds, out.resolve(), engine)
    except FedrecError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    (out / "frozen-table.json").write_text(json.dumps(records, indent=1) + "\n")
    table = Table(title=f"{preset}: the frozen table, {seeds} seeds, test items, full ranking")
    for header in ("table", "NDCG@10", "95 %", "gain over off", "95 %", "seeds", "early (val.)"):
        table.add_column(header, justify="right")
    for record in records:
        value, gain = record["NDCG@10"], record["gain"]
        table.add_row(
            record["table"],
            f"{value['value']:.4f}",
            f"{value['low']:.4f} to {value['high']:.4f}",
            f"{gain['value']:+.4f}",
            f"{gain['low']:+.4f} to {gain['high']:+.4f}",
            " ".join(f"{each:.4f}" for each in record["per seed"]),
            f"{np.mean(record['early validation']):.4f}",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
