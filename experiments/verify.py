"""`fedrec verify RUN`: run a folder's config again and compare, byte by byte.

Timeouts and faults are not deterministic: clients that were left out are left out again, as the
run's record says. Wall times are not compared, nor is traffic where a client was left out, since
nothing is sent to it now.
"""

import dataclasses
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.resume import config_of, last_engine, start
from experiments.run import ignore
from fedrec.errors import ConfigError
from fedrec.protocol import code_fingerprint
from fedrec.report.history import COMPLETE, read_json, read_rounds
from server.absences import is_simulated

WALL_TIMES = ("seconds", "elapsed")
TRAFFIC = ("bytes_down", "bytes_up", "bytes_evaluate", "megabytes")
SAME_BYTES = ("model.safetensors", "metrics.json", "users.csv", "items.csv")


def verify(
    folder: Path,
    *,
    engine: str | None,
    command: str,
    workers: int | None = None,
    address: str | None = None,
    on_round: Callable[[dict[str, Any]], None] = ignore,
    on_wait: Callable[[int, int], None] = ignore,
) -> list[str]:
    """What differs between a run and its repetition, a line each; nothing if they are equal.

    Args:
        folder: of the run.
        engine: to repeat it on; the run's own, if none is named.
        command: what was typed.
        workers: of engine "ray".
        address: of a Ray cluster.
        on_round: called with each line of the repetition.
        on_wait: called while replies are waited for.

    Raises:
        ConfigError: the run is not complete.
        FedrecError: as any run.
    """
    about = read_json(folder / "run.json")
    if about.get("status") not in COMPLETE:
        raise ConfigError(
            f"{folder} holds a run that is {about.get('status')}; only a complete one can be "
            "verified (`fedrec resume` completes it)"
        )
    config = config_of(folder)
    with tempfile.TemporaryDirectory(prefix="fedrec-verify-") as scratch:
        again = Path(scratch) / folder.name
        placed = dataclasses.replace(
            config.run, dir=str(again), replay=str(folder), checkpoint_every=0
        )
        start(
            dataclasses.replace(config, run=placed),
            engine or last_engine(folder),
            command=command,
            workers=workers,
            address=address,
            on_round=on_round,
            on_wait=on_wait,
        )
        found = compare(folder, again)
    if found and about.get("code") != code_fingerprint():
        found.append("the code is not the one of the run: run.json names another fingerprint")
    return found


def compare(first: Path, second: Path) -> list[str]:
    """What differs between two complete runs but for wall times, a line each."""
    found = [
        f"{name}: other bytes"
        for name in SAME_BYTES
        if (first / name).read_bytes() != (second / name).read_bytes()
    ]
    with np.load(first / "ranks.npz") as one, np.load(second / "ranks.npz") as other:
        same = set(one.files) == set(other.files) and all(
            np.array_equal(one[name], other[name], equal_nan=True) for name in one.files
        )
    found += [] if same else ["ranks.npz: other ranks"]
    lines, others = (read_rounds(folder / "rounds.jsonl")[0] for folder in (first, second))
    if len(lines) != len(others):
        found.append(f"rounds.jsonl: {len(lines)} rounds, then {len(others)}")
    ignored = WALL_TIMES + (TRAFFIC if any(map(_lost_somebody, lines)) else ())
    for line, other in zip(lines, others, strict=False):
        keys = sorted(key for key in {*line, *other} if key not in ignored)
        for key in keys:
            if line.get(key) != other.get(key):
                found.append(f"rounds.jsonl: {key} of round {line['round']} differs")
    return found


def _lost_somebody(line: Mapping[str, Any]) -> bool:
    """Whether a client was left out in a round that nobody had simulated to be absent."""
    dropped = [*line.get("dropped", []), *line.get("retried", [])]
    return not all(is_simulated(one) for one in dropped)
