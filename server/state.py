"""State of the server: what stays the same over all rounds, and what a round changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedrec import protocol
from fedrec.config.config import Config
from fedrec.config.user_code import client_fingerprint
from fedrec.models.parameters import NamedArrays
from server.granularity.base import ClientGranularity
from server.messages.exchange import Watch, watch_nothing
from server.messages.registration import Registration
from server.replies.outcome import Excluded
from server.sampling.unavailable import Unavailability


@dataclass(frozen=True)
class AcceptedReply:
    """A reply that was used.

    Attributes:
        round: of the reply.
        private: sha256 of the private file that the client wrote in it; empty if it keeps none.
    """

    round: int
    private: str = ""


@dataclass
class ServerState:
    """What a round changes.

    Attributes:
        weights: shared weights, float64.
        accepted: partition -> its last used reply.
        best: weights of the best round so far.
        best_accepted: ``accepted`` at that time: whose private files belong to these weights.
        best_round: its number.
        best_value: its validation NDCG@10.
        evals_without_improvement: evaluations since then (early stopping).
        elapsed: seconds spent in rounds.
        targets: training targets used so far.
        megabytes: training traffic so far; evaluation is counted apart, round by round.
        seen: which users took part, a bit for each in hexadecimal, where every user is a client.
        checkpoints: partition -> rounds whose private files a checkpoint needs, of the last ones.
        traceback: the first one that a client reported; empty if none did.
    """

    weights: NamedArrays
    accepted: dict[int, AcceptedReply] = field(default_factory=dict)
    best: NamedArrays = field(default_factory=dict)
    best_accepted: dict[int, AcceptedReply] = field(default_factory=dict)
    best_round: int = 0
    best_value: float = -1.0
    evals_without_improvement: int = 0
    elapsed: float = 0.0
    targets: int = 0
    megabytes: float = 0.0
    seen: str = ""
    checkpoints: list[dict[int, set[int]]] = field(default_factory=list)
    traceback: str = ""

    def add_round(self, seconds: float, targets: int, num_bytes: int) -> None:
        """Add a round of training to the totals."""
        self.elapsed += seconds
        self.targets += targets
        self.megabytes += num_bytes / 1e6

    def note_traceback(self, excluded: Sequence[Excluded]) -> None:
        """Keep the first traceback of all."""
        self.traceback = self.traceback or next((e.traceback for e in excluded if e.traceback), "")

    def keep_if_best(self, value: float, round: int) -> bool:
        """Keep the current weights if their validation metric is the best so far."""
        is_best = value > self.best_value
        if is_best:
            self.best_value, self.best_round = value, round
            self.best, self.best_accepted = dict(self.weights), dict(self.accepted)
        self.evals_without_improvement = 0 if is_best else self.evals_without_improvement + 1
        return is_best

    def copy(self) -> "ServerState":
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


@dataclass(frozen=True, kw_only=True)
class ServerContext:
    """What stays the same over all rounds.

    Attributes:
        grid: Carries the messages.
        strategy: Aggregates.
        config: Config of the run.
        registration: What each partition holds.
        clients: Granularity of the clients: partitions or users.
        unavailability: Who is known beforehand not to answer.
        token: Name of the clients' private files of this run.
        frequency: (V + 1,) int64 training events per item over all clients, zeros if not shared.
        num_views: Views of the model: so many gate weights come with the ranks of test items.
        item_rows: Names of the shared parameters with a row per item.
        scorer: What is evaluated: "model", or a baseline such as "popularity".
        watch: Called while the server waits for replies.
    """

    grid: Grid
    strategy: Strategy
    config: Config
    registration: Registration
    clients: ClientGranularity
    unavailability: Unavailability
    token: str
    frequency: np.ndarray
    num_views: int
    item_rows: frozenset[str] = frozenset()
    scorer: str = "model"
    watch: Watch = watch_nothing

    def message_config(
        self, round: int, partition: int, state: ServerState, accepted: Mapping[int, AcceptedReply]
    ) -> dict[str, Any]:
        """What every message to a partition says beside its arrays.

        Args:
            round: number of the round.
            partition: who is asked.
            state: for the private files that must be kept.
            accepted: whose private files are to be used: ``state.accepted`` or the best ones.
        """
        last = accepted.get(partition, AcceptedReply(0))
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
