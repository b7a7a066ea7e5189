"""Who is known beforehand not to answer: simulated drop-outs, and those of a run that is repeated.

A timeout is not deterministic. Whom it left out is on record, and ``fedrec verify`` leaves the same
clients out again, so that the rest of the run can be compared byte by byte.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fedrec.randomness import generator
from fedrec.runs.record import read_about, read_rounds

DROPPED_OUT = "dropped out (federation.drop-out)"
# Left out without a loss: the same client's own reply was used, or nobody waited for one.
REPLIED_TWICE = "replied twice"
NOT_ASKED = "was not asked in this round"

Reasons = dict[int, str]


@dataclass(frozen=True)
class Unavailability:
    """Drop-outs by the seed and absences on record.

    Attributes:
        drop_out: share of the chosen clients that fail to answer. They do so before they are sent
            anything: no message goes to them, and no traffic is counted.
        seed: of the run.
        recorded: occasion -> partition -> reason; an occasion is "train 3", its first try that was
            repeated "train 3 retried", "evaluate 3", or another evaluation's name.
    """

    drop_out: float = 0.0
    seed: int = 0
    recorded: Mapping[str, Reasons] = field(default_factory=dict)

    def of_training(self, round: int, attempt: int, chosen: Sequence[int]) -> Reasons:
        """Who of the chosen will not answer a train message, and why.

        Args:
            round: number of the round.
            attempt: 0, or 1 when the round is tried again.
            chosen: partitions.
        """
        known = self.on_record(round, attempt, chosen)
        return known | self._drop_outs("drop-out", round, attempt, chosen)

    def of_users(self, round: int, attempt: int, chosen: Sequence[int]) -> Reasons:
        """Which users drop out, where every user is a client."""
        return self._drop_outs("user-drop-out", round, attempt, chosen)

    def on_record(self, round: int, attempt: int, chosen: Sequence[int]) -> Reasons:
        """Which of the chosen partitions were left out of training in the run that is repeated."""
        return _among(self.recorded, round, attempt, chosen)

    def _drop_outs(self, purpose: str, round: int, attempt: int, chosen: Sequence[int]) -> Reasons:
        return {
            one: DROPPED_OUT
            for one in (chosen if self.drop_out else ())
            if generator(self.seed, purpose, round, attempt, one).random() < self.drop_out
        }

    def of_evaluation(self, occasion: str, chosen: Sequence[int]) -> Reasons:
        """Who of the chosen will not send ranks, and why."""
        return {p: r for p, r in self.recorded.get(occasion, {}).items() if p in chosen}


def _among(
    recorded: Mapping[str, Reasons], round: int, attempt: int, chosen: Sequence[int]
) -> Reasons:
    name = f"train {round} retried"
    if attempt or name not in recorded:
        name = f"train {round}"
    return {one: why for one, why in recorded.get(name, {}).items() if one in set(chosen)}


def recorded_unavailability(run: Path) -> dict[str, Reasons]:
    """The absences of partitions on record in a run's folder, by occasion.

    Raises:
        DataError: no run folder, or a damaged one.
    """
    found: dict[str, Reasons] = {}

    def note(occasion: str, one: Mapping[str, object]) -> None:
        partition = one["partition"]
        # Single users drop out by the seed or break by their own training: that repeats by itself.
        if isinstance(partition, int) and "user" not in one and costs_a_reply(one):
            found.setdefault(occasion, {})[partition] = str(one["reason"])

    for line in read_rounds(run / "rounds.jsonl")[0]:
        if retried := line.get("retried"):
            # Noted though it lost users alone, or the second try's losses would be the first's too.
            found[f"train {line['round']} retried"] = {}
            for one in retried:
                note(f"train {line['round']} retried", one)
        for one in line.get("excluded") or []:
            note(f"{one['while']} {line['round']}", one)
    for occasion, left_out in (read_about(run).get("excluded") or {}).items():
        for one in left_out:
            note(occasion, one)
    return found


def costs_a_reply(one: Mapping[str, object]) -> bool:
    """Whether a left-out reply, as rounds.jsonl records it, left the round with one reply less."""
    return one["reason"] not in (REPLIED_TWICE, NOT_ASKED)


def is_simulated(one: Mapping[str, object]) -> bool:
    """Whether a left-out reply, as rounds.jsonl records it, was a simulated drop-out."""
    return one["reason"] == DROPPED_OUT
