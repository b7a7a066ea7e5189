"""Repeat a run and compare the results byte by byte: `fedrec verify RUN`.

Timeouts and faults are not deterministic: clients that were excluded are excluded again, as the
run's record says. Wall times are not compared, nor is traffic where a client was excluded, since
nothing is sent to it now.
"""

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from experiments.baselines.run import engine_of
from experiments.engines.run import How
from experiments.resume import config_of, last_engine, start
from fedrec.config.config import Config
from fedrec.config.sections.federation import Federation
from fedrec.errors import ConfigError, DataError
from fedrec.files.arrays import read_npz
from fedrec.protocol import code_fingerprint
from fedrec.runs.contents import content_of
from fedrec.runs.record import COMPLETE, read_about, read_rounds
from server.sampling.excluded import costs_a_reply, is_simulated_dropout

WALL_TIMES = ("seconds", "elapsed")
TRAFFIC = ("bytes_down", "bytes_up", "bytes_evaluate", "megabytes", "client_megabytes")
MODEL = "model.safetensors"
SAME_BYTES = (MODEL, "metrics.json", "users.csv", "items.csv")
EXCLUDED = ("excluded", "retried")


def verify(
    folder: Path, *, engine: str | None, trust: bool = False, **how: Unpack[How]
) -> list[str]:
    """What differs between a run and its repetition, a line each; nothing if they are equal.

    Args:
        folder: Folder of the run.
        engine: Engine to repeat it on; the run's own, if none is named.
        trust: Import the modules that the run's config names, if any; they run with your rights.
        how: Options of the engine and callbacks, as ``run`` takes them.

    Raises:
        ConfigError: The run is not complete.
        DataError: A file of the run is missing or damaged; nothing is run then.
        FedrecError: The run failed.
    """
    about = read_about(folder)
    if about.get("status") not in COMPLETE:
        raise ConfigError(
            f"{folder} holds a run that is {about.get('status')}; only a complete one can be "
            "verified (`fedrec resume` completes it)"
        )
    own = last_engine(folder)
    if own == engine_of("local-only") and engine not in (None, own):
        raise ConfigError(
            f"{folder} holds a local-only baseline, no federation: leave --engine {engine} out"
        )
    config, left = config_of(folder, trust=trust), read_left(folder)
    with tempfile.TemporaryDirectory(prefix="fedrec-verify-") as scratch:
        again = Path(scratch) / folder.name
        placed = dataclasses.replace(
            config.run, dir=str(again), replay=str(folder), checkpoint_every=0
        )
        start(_patient(dataclasses.replace(config, run=placed)), engine or own, **how)
        found = differences(left, read_left(again))
        was, now = about.get("kernel"), read_about(again).get("kernel")
    if found and about.get("code") != code_fingerprint():
        found.append("the code is not the one of the run: run.json names another fingerprint")
    if found and was != now:
        names = [" ".join((one or {"name": "torch"}).values()) for one in (was, now)]
        found.append(f"local.kernel: {names[0]} computed the run, {names[1]} its repetition")
    return found


def _patient(config: Config) -> Config:
    """The config with no shorter timeout than the default.

    Who straggled is on record and excluded without waiting. On a busier machine than the run's own,
    its timeout would exclude others as well.
    """
    plan = config.federation
    timeout = max(plan.round_timeout, Federation().round_timeout)
    return dataclasses.replace(config, federation=dataclasses.replace(plan, round_timeout=timeout))


@dataclasses.dataclass(frozen=True)
class Left:
    """What must be equal of two complete runs.

    Attributes:
        files: Name -> content, of ``SAME_BYTES``; no weights where a run keeps none.
        ranks: What ranks.npz holds: how it is packed may differ.
        lines: Lines of rounds.jsonl.
    """

    files: dict[str, bytes]
    ranks: dict[str, np.ndarray]
    lines: list[dict[str, Any]]


def read_left(folder: Path) -> Left:
    """What a complete run left, to be compared.

    Raises:
        DataError: A file is missing or damaged.
    """
    names = [*SAME_BYTES, "ranks.npz"]
    if read_about(folder).get("no_model"):
        names.remove(MODEL)
    contents = {name: content_of(folder / name, "a run that is complete has it") for name in names}
    path = folder / "ranks.npz"
    try:
        ranks = read_npz(contents.pop("ranks.npz"))
    except ValueError as error:
        raise DataError(f"{path} is damaged: {error}") from None
    return Left(contents, ranks, read_rounds(folder / "rounds.jsonl")[0])


def compare(first: Path, second: Path) -> list[str]:
    """What differs between two complete runs but for wall times, a line each.

    Raises:
        DataError: A file of one of them is missing or damaged.
    """
    return differences(read_left(first), read_left(second))


def differences(first: Left, second: Left) -> list[str]:
    """What differs between what two complete runs left, a line each."""
    found = [
        f"{name}: other bytes"
        for name in SAME_BYTES
        if first.files.get(name) != second.files.get(name)
    ]
    same = set(first.ranks) == set(second.ranks) and all(
        np.array_equal(first.ranks[name], second.ranks[name], equal_nan=True)
        for name in first.ranks
    )
    found += [] if same else ["ranks.npz: other ranks"]
    if len(first.lines) != len(second.lines):
        found.append(f"rounds.jsonl: {len(first.lines)} rounds, then {len(second.lines)}")
    ignored = WALL_TIMES + (TRAFFIC if any(map(_lost_somebody, first.lines)) else ())
    for line, other in zip(first.lines, second.lines, strict=False):
        keys = sorted(key for key in {*line, *other} if key not in ignored)
        for key in keys:
            one, two = line.get(key), other.get(key)
            if key in EXCLUDED:
                one, two = _lost(one or ()), _lost(two or ())
            if one != two:
                found.append(f"rounds.jsonl: {key} of round {line.get('round')} differs")
    return found


def _lost(excluded: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int, int | None], str]:
    """Whose reply a round lost in what, and why: what a repetition can leave out again.

    A reply that came twice, or that nobody had asked for, comes once or not at all there.
    """
    return {
        (one["while"], one["partition"], one.get("user")): one["reason"]
        for one in excluded
        if costs_a_reply(one)
    }


def _lost_somebody(line: Mapping[str, Any]) -> bool:
    """Whether a reply was excluded from a round, which no repetition makes by itself.

    A simulated drop-out repeats by the seed, and a single user breaks by its own training.
    """
    excluded = [*(line.get("excluded") or ()), *(line.get("retried") or ())]
    return not all(is_simulated_dropout(one) or "user" in one for one in excluded)
