"""What a federation is made of: what stays over all rounds and what a round changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedrec import protocol
from fedrec.config.config import Config
from fedrec.config.user_code import client_fingerprint
from fedrec.errors import FedrecError
from fedrec.models.parameters import NamedArrays
from server.messages.exchange import Watch, nothing
from server.messages.registration import Census
from server.replies.outcome import Dropped
from server.sampling.population import NOBODY, Population
from server.sampling.unavailable import Absences
from server.traffic import NOTHING, UserTraffic

TOO_LARGE = {
    "float16": "set federation.download = 'float32'",
    "float32": "training diverged: look at strategy.options and local.learning-rate",
}


@dataclass(frozen=True)
class Accepted:
    """A reply that was used.

    Attributes:
        round: of the reply.
        private: sha256 of the private file that the client wrote in it; empty if it keeps none.
    """

    round: int
    private: str = ""


@dataclass
class State:
    """What a round changes.

    Attributes:
        weights: shared weights, float64.
        accepted: partition -> its last used reply.
        best: weights of the best round so far.
        best_accepted: ``accepted`` at that time: whose private files belong to these weights.
        best_round: its number.
        best_value: its validation NDCG@10.
        stale: evaluations since then.
        elapsed: seconds spent in rounds.
        targets: training targets used so far.
        megabytes: training traffic so far; evaluation is counted apart, round by round.
        seen: which users took part, a bit for each in hexadecimal, where every user is a client.
        checkpoints: partition -> rounds whose private files a checkpoint needs, of the last ones.
        traceback: the first one that a client reported; empty if none did.
    """

    weights: NamedArrays
    accepted: dict[int, Accepted] = field(default_factory=dict)
    best: NamedArrays = field(default_factory=dict)
    best_accepted: dict[int, Accepted] = field(default_factory=dict)
    best_round: int = 0
    best_value: float = -1.0
    stale: int = 0
    elapsed: float = 0.0
    targets: int = 0
    megabytes: float = 0.0
    seen: str = ""
    checkpoints: list[dict[int, set[int]]] = field(default_factory=list)
    traceback: str = ""

    def note_traceback(self, dropped: Sequence[Dropped]) -> None:
        """Keep the first traceback of all."""
        self.traceback = self.traceback or next((d.traceback for d in dropped if d.traceback), "")

    def copy(self) -> "State":
        """A state that later rounds do not change: they replace arrays, never write into them."""
        return replace(
            self,
            accepted=dict(self.accepted),
            best_accepted=dict(self.best_accepted),
            checkpoints=list(self.checkpoints),
        )

    def private_files(self) -> dict[int, dict[int, str]]:
        """Partition -> round -> sha256 of the private files that belong to this state."""
        files: dict[int, dict[int, str]] = {}
        for accepted in (self.accepted, self.best_accepted):
            for partition, one in accepted.items():
                if one.private:
                    files.setdefault(partition, {})[one.round] = one.private
        return files

    def needed(self) -> dict[int, set[int]]:
        """Partition -> rounds whose private files belong to this state."""
        rounds: dict[int, set[int]] = {}
        for accepted in (self.accepted, self.best_accepted):
            for partition, one in accepted.items():
                rounds.setdefault(partition, set()).add(one.round)
        return rounds


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
        num_views: of the model: so many weights come with the ranks of test items.
        scorer: what is judged: "model", or one that trains nothing, such as "popularity".
        population: the users that can be drawn, where every user is a client.
        traffic: of one of them.
        absences: who is known beforehand not to answer.
        watch: looks on while the server waits.
    """

    grid: Grid
    strategy: Strategy
    config: Config
    census: Census
    token: str
    frequency: np.ndarray
    num_views: int
    scorer: str = "model"
    population: Population = NOBODY
    traffic: UserTraffic = NOTHING
    absences: Absences = field(default_factory=Absences)
    watch: Watch = nothing

    @property
    def num_clients(self) -> int:
        """Partitions, or users where each is a client."""
        return len(self.population.users) or len(self.census.partitions)

    def message_config(
        self, round: int, partition: int, state: State, accepted: Mapping[int, Accepted]
    ) -> dict[str, Any]:
        """What every message to a partition says beside its arrays.

        Args:
            round: number of the round.
            partition: who is asked.
            state: for the private files that must be kept.
            accepted: whose private files are to be used: ``state.accepted`` or the best ones.
        """
        last = accepted.get(partition, Accepted(0))
        kept = set().union(*(one.get(partition, set()) for one in state.checkpoints))
        if partition in state.best_accepted:
            kept.add(state.best_accepted[partition].round)
        return {
            protocol.FORMAT_KEY: protocol.FORMAT,
            protocol.CODE: protocol.code_fingerprint(),
            protocol.OWN_CODE: client_fingerprint(self.config),
            protocol.TOKEN: self.token,
            protocol.ROUND: round,
            protocol.PARTITION: partition,
            protocol.LAST_ACCEPTED: last.round,
            protocol.PRIVATE: last.private,
            protocol.KEEP: ",".join(str(number) for number in sorted(kept)),
        }


def as_sent(weights: NamedArrays, kind: str = "float32") -> NamedArrays:
    """The weights in float32: the one cast of a round, as clients receive them.

    Args:
        weights: float64, finite.
        kind: "float16" for weights that travel in half the bytes.

    Raises:
        FedrecError: weights beyond what ``kind`` holds, which would arrive as infinity.
    """
    with np.errstate(over="ignore"):  # looked for below
        sent = {name: array.astype(kind).astype(np.float32) for name, array in weights.items()}
    for name, array in sent.items():
        if not np.isfinite(array).all():
            raise FedrecError(
                f"weights {name!r} reach {np.abs(weights[name]).max():.3g}, but {kind} holds "
                f"numbers up to {np.finfo(kind).max:.5g}; {TOO_LARGE[kind]}"
            )
    return sent


def empty_line(number: int) -> dict[str, Any]:
    """A line of rounds.jsonl before anything happened in its round."""
    phases = ("train", "check", "aggregate", "evaluate", "checkpoint", "total")
    return {
        "round": number,
        "seconds": dict.fromkeys(phases, 0.0),
        "elapsed": 0.0,
        "chosen": [],
        "used": [],
        "dropped": [],
        "retried": [],
        "users": None,
        "train_loss": None,
        "targets": 0,
        "passes": 0.0,
        "bytes_down": 0,
        "bytes_up": 0,
        "bytes_evaluate": 0,  # both ways, in none of the other four, which are of training
        "megabytes": 0.0,  # so far
        "client_megabytes": 0.0,  # so far, the mean over all clients
        "validation": None,
        "clients": None,
        "client_values": None,
        "best": False,
    }
