"""Unavailable clients: simulated dropouts, and the stragglers and failures of a replayed run.

A timeout is not deterministic. The stragglers that it excluded are on record, and ``fedrec verify``
excludes the same clients again, so that the rest of the run can be compared byte by byte.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fedrec.randomness import generator
from fedrec.runs.record import read_about, read_rounds
from server.sampling.excluded import DROPPED_OUT, costs_a_reply

REGISTRATION = "registration"  # the occasion on which a client is excluded from the whole run

Reasons = dict[int, str]


@dataclass(frozen=True, kw_only=True)
class Unavailability:
    """Which clients do not reply: simulated dropouts, and those recorded in a replayed run.

    Attributes:
        dropout_rate: Share of the sampled clients that drop out. They do so before they are sent
            anything: no message goes to them, and no traffic is counted.
        seed: Seed of the run.
        recorded: Occasion -> partition -> reason. An occasion is "train 3", its first attempt that
            was repeated "train 3 retried", "evaluate 3", "registration", or the name of another
            evaluation.
    """

    dropout_rate: float = 0.0
    seed: int = 0
    recorded: Mapping[str, Reasons] = field(default_factory=dict)

    def of_training(self, round: int, attempt: int, sampled: Sequence[int]) -> Reasons:
        """Sampled partitions that will not reply to a train message, with the reason.

        Args:
            round: Number of the round.
            attempt: 0, or 1 when the round is tried again.
            sampled: Numbers of the sampled partitions.
        """
        known = self.recorded_in_training(round, attempt, sampled)
        return known | self._dropouts("drop-out", round, attempt, sampled)

    def of_users(self, round: int, attempt: int, sampled: Sequence[int]) -> Reasons:
        """Sampled users that drop out, where every user is a client."""
        return self._dropouts("user-drop-out", round, attempt, sampled)

    def recorded_in_training(self, round: int, attempt: int, sampled: Sequence[int]) -> Reasons:
        """Sampled partitions that were excluded from training in the replayed run."""
        occasion = f"train {round} retried"
        if attempt or occasion not in self.recorded:
            occasion = f"train {round}"
        return self._recorded(occasion, sampled)

    def of_evaluation(self, occasion: str, sampled: Sequence[int]) -> Reasons:
        """Sampled partitions that will not send ranks, with the reason."""
        return self._recorded(occasion, sampled)

    def _recorded(self, occasion: str, sampled: Sequence[int]) -> Reasons:
        recorded, among = self.recorded.get(occasion, {}), set(sampled)
        return {partition: why for partition, why in recorded.items() if partition in among}

    def _dropouts(self, purpose: str, round: int, attempt: int, sampled: Sequence[int]) -> Reasons:
        return {
            client: DROPPED_OUT
            for client in (sampled if self.dropout_rate else ())
            if generator(self.seed, purpose, round, attempt, client).random() < self.dropout_rate
        }


def recorded_unavailability(run: Path) -> dict[str, Reasons]:
    """Excluded partitions on record in a run's folder: occasion -> partition -> reason.

    Args:
        run: Folder of the run that is replayed.

    Raises:
        DataError: It is no run folder, or a damaged one.
    """
    found: dict[str, Reasons] = {}

    def add(occasion: str, one: Mapping[str, object]) -> None:
        partition = one["partition"]
        # Single users drop out by the seed, or their training diverges: that repeats by itself.
        if isinstance(partition, int) and "user" not in one and costs_a_reply(one):
            found.setdefault(occasion, {})[partition] = str(one["reason"])

    for line in read_rounds(run / "rounds.jsonl")[0]:
        if retried := line.get("retried"):
            # Recorded even if it excluded only users: else the first attempt would be taken to have
            # excluded whom the second one did.
            found[f"train {line['round']} retried"] = {}
            for one in retried:
                add(f"train {line['round']} retried", one)
        for one in line.get("excluded") or []:
            add(f"{one['while']} {line['round']}", one)
    for occasion, excluded in (read_about(run).get("excluded") or {}).items():
        for one in excluded:
            add(occasion, one)
    return found
