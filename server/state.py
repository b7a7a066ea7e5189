"""What a federation is made of: what stays over all rounds and what a round changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedrec import protocol
from fedrec.config import Config
from fedrec.models.parameters import NamedArrays
from server.census import Census


@dataclass
class State:
    """What a round changes.

    Attributes:
        weights: shared weights, float64.
        accepted: partition -> round of its last used reply.
        best: weights of the best round so far.
        best_accepted: ``accepted`` at that time: whose private files belong to these weights.
        best_round: its number.
        best_value: its validation NDCG@10.
        stale: evaluations since then.
        elapsed: seconds spent in rounds.
        targets: training targets used so far.
        megabytes: training traffic so far.
    """

    weights: NamedArrays
    accepted: dict[int, int] = field(default_factory=dict)
    best: NamedArrays = field(default_factory=dict)
    best_accepted: dict[int, int] = field(default_factory=dict)
    best_round: int = 0
    best_value: float = -1.0
    stale: int = 0
    elapsed: float = 0.0
    targets: int = 0
    megabytes: float = 0.0


@dataclass(frozen=True)
class Federation:
    """What stays the same over all rounds.

    Attributes:
        grid: carries the messages.
        strategy: aggregates.
        config: of the run.
        census: who is there.
        token: names the clients' private files of this run.
        frequency: (V + 1,) int64 training events per item over all clients, zeros if not shared.
        scorer: what is judged: "model", or "popularity", which trains nothing.
    """

    grid: Grid
    strategy: Strategy
    config: Config
    census: Census
    token: str
    frequency: np.ndarray
    scorer: str = "model"

    def message_config(self, round: int, partition: int, state: State) -> dict[str, Any]:
        """What every message to a partition says beside its arrays."""
        return {
            protocol.FORMAT_KEY: protocol.FORMAT,
            protocol.CODE: protocol.code_fingerprint(),
            protocol.TOKEN: self.token,
            protocol.ROUND: round,
            protocol.LAST_ACCEPTED: state.accepted.get(partition, 0),
            protocol.BEST_ACCEPTED: state.best_accepted.get(partition, 0),
        }


def as_sent(weights: NamedArrays) -> NamedArrays:
    """The weights in float32: the one cast of a round, as clients receive them."""
    return {name: array.astype(np.float32) for name, array in weights.items()}


def array_record(arrays: Mapping[str, np.ndarray]) -> ArrayRecord:
    """Named arrays as Flower carries them."""
    return ArrayRecord({name: Array(np.asarray(array)) for name, array in arrays.items()})


def empty_line(number: int) -> dict[str, Any]:
    """A line of rounds.jsonl before anything happened in its round."""
    return {
        "round": number,
        "seconds": {"train": 0.0, "aggregate": 0.0, "evaluate": 0.0, "total": 0.0},
        "elapsed": 0.0,
        "chosen": [],
        "used": [],
        "dropped": [],
        "train_loss": None,
        "targets": 0,
        "passes": 0.0,
        "bytes_down": 0,
        "bytes_up": 0,
        "bytes_evaluate": 0,
        "megabytes": 0.0,
        "validation": None,
        "clients": None,
        "client_values": None,
        "best": False,
    }
