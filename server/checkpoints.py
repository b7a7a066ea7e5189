"""Checkpoints: the weights and the strategy's state after a round, the last two kept."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from flwr.serverapp.strategy import Strategy
from safetensors.numpy import save

from fedrec.report.history import replace_file, write_json
from server.strategies import ServerAdam

if TYPE_CHECKING:
    from server.state import State

FORMAT = 1
KEPT = 2


def save_checkpoint(run: Path, round: int, state: "State", strategy: Strategy) -> Path:
    """Write ``checkpoints/round-NNNNN``: float64 weights, best weights, state.json with hashes.

    The folder appears under its name only when everything in it is on the disk.
    """
    folder = run / "checkpoints" / f"round-{round:05d}"
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    parts = {"weights": state.weights, "best": state.best}
    if isinstance(strategy, ServerAdam):
        parts["strategy"] = strategy.state_dict()
    hashes = {}
    for name, arrays in parts.items():
        content = save({key: np.asarray(array, order="C") for key, array in arrays.items()})
        hashes[name] = hashlib.sha256(content).hexdigest()
        replace_file(draft / f"{name}.safetensors", content)
    facts = {
        "format": FORMAT,
        "round": round,
        "sha256": hashes,
        "accepted": state.accepted,
        "best_round": state.best_round,
        "best_value": state.best_value,
        "stale": state.stale,
        "elapsed": state.elapsed,
        "targets": state.targets,
        "megabytes": state.megabytes,
    }
    write_json(draft / "state.json", facts)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(draft, folder)
    for old in sorted(folder.parent.glob("round-*"))[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return folder
