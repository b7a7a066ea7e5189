"""Who is known beforehand not to answer: simulated drop-outs, and those of a run that is repeated.

A timeout is not deterministic. Whom it left out is on record, and ``fedrec verify`` leaves the same
clients out again, so that the rest of the run can be compared byte by byte.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fedrec.randomness import generator
from fedrec.report.history import read_json, read_rounds

DROPPED_OUT = "dropped out (federation.drop-out)"
# Left out without a loss: the same client's own reply was used, or nobody waited for one.
REPLIED_TWICE = "replied twice"
NOT_ASKED = "was not asked in this round"

Reasons = dict[int, str]


@dataclass(frozen=True)
class Absences:
    """Drop-outs by the seed and absences on record.

    Attributes:
        drop_out: share of the chosen clients that fail to answer.
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
        name = f"train {round} retried"
        if attempt or name not in self.recorded:
            name = f"train {round}"
        known = {p: r for p, r in self.recorded.get(name, {}).items() if p in chosen}
        for partition in chosen if self.drop_out else ():
            draw = generator(self.seed, "drop-out", round, attempt, partition).random()
            if draw < self.drop_out:
                known[partition] = DROPPED_OUT
        return known

    def of_evaluation(self, occasion: str, chosen: Sequence[int]) -> Reasons:
        """Who of the chosen will not send ranks, and why."""
        return {p: r for p, r in self.recorded.get(occasion, {}).items() if p in chosen}


def recorded_absences(run: Path) -> dict[str, Reasons]:
    """The absences on record in a run's folder, by occasion.

    Raises:
        DataError: no run folder, or a damaged one.
    """
    found: dict[str, Reasons] = {}

    def note(occasion: str, one: Mapping[str, object]) -> None:
        partition = one["partition"]
        if isinstance(partition, int) and costs_a_reply(one):
            found.setdefault(occasion, {})[partition] = str(one["reason"])

    for line in read_rounds(run / "rounds.jsonl")[0]:
        for one in line.get("retried") or []:
            note(f"train {line['round']} retried", one)
        for one in line.get("dropped") or []:
            note(f"{one['while']} {line['round']}", one)
    for occasion, left_out in (read_json(run / "run.json").get("left_out") or {}).items():
        for one in left_out:
            note(occasion, one)
    return found


def costs_a_reply(one: Mapping[str, object]) -> bool:
    """Whether a left-out reply, as rounds.jsonl records it, left the round with one reply less."""
    return one["reason"] not in (REPLIED_TWICE, NOT_ASKED)


def is_simulated(one: Mapping[str, object]) -> bool:
    """Whether a left-out reply, as rounds.jsonl records it, was a simulated drop-out."""
    return one["reason"] == DROPPED_OUT
