"""State of the server, which a round changes."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, replace

from fedrec.models.parameters import NamedArrays
from server.sampling.excluded import Excluded
from server.state.ranks import EvaluationOutcome


@dataclass(frozen=True)
class AcceptedReply:
    """A reply that was aggregated.

    Attributes:
        round: Round of the reply.
        private: Sha256 of the private file that the client wrote in it; empty if it wrote none.
    """

    round: int
    private: str = ""


@dataclass
class ServerState:
    """State of the server between rounds.

    Attributes:
        weights: Shared weights, float64.
        accepted: Partition -> its last accepted reply.
        best: Weights of the best round so far.
        best_accepted: ``accepted`` at that time: its private files belong to the best weights.
        best_round: Number of the best round.
        best_outcome: Evaluation of the best round, where it is that of the end of a run, too; none
            where it is not, or after a run was resumed.
        best_value: Validation NDCG@10 of the best round.
        evals_without_improvement: Evaluations since the best round (early stopping).
        elapsed: Seconds spent in rounds.
        targets: Training targets of all rounds so far.
        megabytes: Training traffic so far; evaluation is counted apart, round by round.
        participants: Users who took part so far, a bit for each in hexadecimal, where every user is
            a client.
        checkpoints: Partition -> rounds whose private files it needs, for each of the last
            checkpoints.
        traceback: First traceback that a client reported; empty if none did.
    """

    weights: NamedArrays
    _: KW_ONLY
    accepted: dict[int, AcceptedReply] = field(default_factory=dict)
    best: NamedArrays = field(default_factory=dict)
    best_accepted: dict[int, AcceptedReply] = field(default_factory=dict)
    best_round: int = 0
    best_outcome: EvaluationOutcome | None = None
    best_value: float = -1.0
    evals_without_improvement: int = 0
    elapsed: float = 0.0
    targets: int = 0
    megabytes: float = 0.0
    participants: str = ""
    checkpoints: list[dict[int, set[int]]] = field(default_factory=list)
    traceback: str = ""

    def add_round(self, seconds: float, targets: int, num_bytes: int) -> None:
        """Add a round of training to the totals."""
        self.elapsed += seconds
        self.targets += targets
        self.megabytes += num_bytes / 1e6

    def keep_traceback(self, excluded: Sequence[Excluded]) -> None:
        """Keep the first traceback that any client reports."""
        self.traceback = self.traceback or next((e.traceback for e in excluded if e.traceback), "")

    def keep_if_best(
        self, value: float, round: int, outcome: EvaluationOutcome | None = None
    ) -> bool:
        """Keep the current weights, and an evaluation of them, if their metric is the best so far.

        Args:
            value: Validation metric.
            round: Number of the round.
            outcome: Its evaluation, where the one at the end of a run would be the same.
        """
        is_best = value > self.best_value
        if is_best:
            self.best_value, self.best_round, self.best_outcome = value, round, outcome
            self.best, self.best_accepted = dict(self.weights), dict(self.accepted)
        self.evals_without_improvement = 0 if is_best else self.evals_without_improvement + 1
        return is_best

    def forget_client_state(self) -> None:
        """Let every client begin without the private files that it had so far."""
        self.accepted, self.best_accepted, self.checkpoints = {}, {}, []

    def copy(self) -> "ServerState":
        """Copy the state; later rounds do not change the copy, since they only replace arrays."""
        return replace(
            self,
            accepted=dict(self.accepted),
            best_accepted=dict(self.best_accepted),
            checkpoints=list(self.checkpoints),
        )

    def private_files(self) -> dict[int, dict[int, str]]:
        """Private files that belong to this state: partition -> round -> sha256."""
        files: dict[int, dict[int, str]] = {}
        for accepted in (self.accepted, self.best_accepted):
            for partition, one in accepted.items():
                if one.private:
                    files.setdefault(partition, {})[one.round] = one.private
        return files

    def private_rounds(self) -> dict[int, set[int]]:
        """Rounds whose private files belong to this state: partition -> rounds."""
        rounds: dict[int, set[int]] = {}
        for accepted in (self.accepted, self.best_accepted):
            for partition, one in accepted.items():
                rounds.setdefault(partition, set()).add(one.round)
        return rounds
