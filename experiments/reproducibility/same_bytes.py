"""Determinism matrix: one seed gives one hash on every engine.

``FEDREC_DATA=DIR python -m experiments.reproducibility.same_bytes`` runs the real command for
every dataset, strategy and engine and prints one row of hashes for each dataset and strategy.
Nothing that could be easy is left out: dropout, identity dropout, a private gate bias, sampled
negatives, half of the clients in a round, of which a fifth drop out. What is compared are the
bytes of ``model.safetensors``, of the last checkpoint's float64 weights, and every line of
``rounds.jsonl`` without its wall times.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.engines.flower_service import THREADS
from experiments.reproducibility.verify import WALL_TIMES
from fedrec.errors import DataError, FedrecError
from fedrec.runs.record import read_rounds

ENGINES: dict[str, list[str]] = {
    "inline": ["--engine", "inline"],
    "ray x1": ["--engine", "ray", "--workers", "1"],
    "ray x2": ["--engine", "ray", "--workers", "2"],
    "ray x4": ["--engine", "ray", "--workers", "4"],
    "flower": ["--engine", "flower"],
}
DATASETS: dict[str, dict[str, Any]] = {
    "synthetic": {
        "data.source": "synthetic:users=150,items=90",
        "partition.by": "uniform",
        "partition.count": 10,
    },
    "ml-100k": {
        "data.source": "ml-100k.zip",  # in the folder that FEDREC_DATA names
        "partition.by": "occupation",
        "partition.count": 21,
    },
}
STRATEGIES: dict[str, dict[str, Any]] = {
    "fedavg": {"strategy.name": "fedavg"},
    "fedprox": {"strategy.name": "fedprox", "strategy.options": "proximal-mu = 0.01"},
    "server-adam": {"strategy.name": "server-adam", "strategy.options": "learning-rate = 0.01"},
    "server-adam over users": {
        "strategy.name": "server-adam",
        "strategy.options": "learning-rate = 0.01",
        "federation.unit": "user",
        "federation.cohort": 40,
        "federation.sampling": "poisson",
        "federation.upload": "int8",
        "federation.fraction": 1.0,
        "local.optimizer": "sgd",
        "local.learning-rate": 0.5,
        "local.optimizer-state": "reset",
        "model.private": "",
    },
}
NOTHING_EASY: dict[str, Any] = {
    "model.dropout": 0.2,
    "model.identity-dropout": 0.1,
    "model.private": "gate-bias",
    "loss.name": "sampled-softmax",
    "loss.negatives": 40,
    "local.steps": 3,  # so that rounds go on through a pass that they share
    "local.optimizer-state": "keep",
    "federation.fraction": 0.5,
    "federation.drop-out": 0.2,
    "federation.min-participation": 0.1,
    "federation.rounds": 4,
    "federation.evaluate-every": 2,
    "federation.share-counts-min-users": 1,  # partitions are small, and counts are to be summed
    "run.checkpoint-every": 4,
}
SMALL: dict[str, Any] = {
    "semantics.encoder": "hashed",  # needs no weights and no network
    "semantics.width": 16,
    "model.width": 16,
    "model.hidden": 32,
    "model.max-length": 30,
    "evaluation.resamples": 50,
    "seed": 7,
    "device": "cpu",
}


@dataclass(frozen=True)
class Left:
    """What a run left behind.

    Attributes:
        model: The bytes of model.safetensors, float32.
        weights: The bytes of the last checkpoint's weights: in float64, where a sum in another
            order shows at once.
        lines: Lines of rounds.jsonl, without wall times.
    """

    model: bytes
    weights: bytes
    lines: list[dict[str, Any]]

    def digest(self) -> str:
        """One hash for all of it."""
        text = json.dumps(self.lines, sort_keys=True).encode()
        parts = [hashlib.sha256(part).digest() for part in (self.model, self.weights, text)]
        return hashlib.sha256(b"".join(parts)).hexdigest()


def settings(dataset: str, strategy: str) -> list[str]:
    """The words ``--set key=value`` of a case.

    Raises:
        DataError: The dataset is a file, and FEDREC_DATA names no folder that has it.
    """
    keys = SMALL | NOTHING_EASY | DATASETS[dataset] | STRATEGIES[strategy]
    if dataset != "synthetic":
        keys["data.source"] = str(data_file(keys["data.source"]))
    return [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]


def data_file(name: str) -> Path:
    """A file in the folder that FEDREC_DATA names."""
    path = Path(os.environ.get("FEDREC_DATA", "")) / name
    if not os.environ.get("FEDREC_DATA") or not path.is_file():
        raise DataError(f"{name} is not there; set FEDREC_DATA to the folder that holds it")
    return path.resolve()


def run_case(engine: str, words: list[str], folder: Path, home: Path) -> Left:
    """Run ``fedrec run`` in a process of its own and read what it left.

    Args:
        engine: One of ``ENGINES``.
        words: Words of ``settings``.
        folder: Run folder to make.
        home: FEDREC_HOME, where the prepared data of all runs lies.

    Raises:
        FedrecError: The command failed, with the end of what it printed.
    """
    # How many threads a process takes is for the engines to settle, not for who measures them.
    environment = {key: value for key, value in os.environ.items() if key not in THREADS}
    command = [sys.executable, "-m", "experiments.cli.main", "run", "--quiet", "--out", str(folder)]
    done = subprocess.run(
        [*command, *ENGINES[engine], *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env=environment | {"FEDREC_HOME": str(home)},
    )
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-5:])
        raise FedrecError(f"{engine}: fedrec run ended with exit code {done.returncode}: {said}")
    return read_left(folder)


def read_left(folder: Path) -> Left:
    """What is compared of a run folder."""
    lines = read_rounds(folder / "rounds.jsonl")[0]
    timeless = [{k: v for k, v in line.items() if k not in WALL_TIMES} for line in lines]
    checkpoint = max(folder.glob("checkpoints/round-*/weights.safetensors"))
    return Left((folder / "model.safetensors").read_bytes(), checkpoint.read_bytes(), timeless)


def main(
    dataset: Annotated[list[str] | None, typer.Option(help="synthetic, ml-100k")] = None,
    strategy: Annotated[list[str] | None, typer.Option(help="fedavg, ...")] = None,
    engine: Annotated[list[str] | None, typer.Option(help="inline, 'ray x2', ...")] = None,
) -> None:
    """Print a row of hashes for every dataset and strategy; exit with 1 if any row has two."""
    engines = engine or list(ENGINES)
    typer.echo("| data | strategy | " + " | ".join(engines) + " | one hash |")
    typer.echo("|---" * (len(engines) + 3) + "|")
    all_equal = True
    with tempfile.TemporaryDirectory(prefix="same-bytes-") as scratch:
        out = Path(scratch)
        for name in dataset or DATASETS:
            for rule in strategy or STRATEGIES:
                try:
                    words = settings(name, rule)
                    found = [
                        run_case(one, words, out / f"{name}-{rule}-{number}", out / "home").digest()
                        for number, one in enumerate(engines)
                    ]
                except FedrecError as error:
                    typer.echo(f"error: {name}, {rule}: {error}", err=True)
                    raise typer.Exit(error.exit_code) from None
                is_one = len(set(found)) == 1
                all_equal = all_equal and is_one
                shown = " | ".join(f"`{digest[:12]}`" for digest in found)
                typer.echo(f"| {name} | {rule} | {shown} | {'yes' if is_one else 'NO'} |")
    raise typer.Exit(0 if all_equal else 1)


if __name__ == "__main__":
    typer.run(main)
