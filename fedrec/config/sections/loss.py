"""Section ``loss`` of the run config."""

from collections.abc import Iterator
from dataclasses import dataclass

from fedrec.config.values.checks import Section, count, one_of, require
from fedrec.config.values.choices import LOSSES, OWN_HISTORIES


@dataclass(frozen=True, kw_only=True)
class Loss(Section):
    """What training minimises."""

    name: str = "sampled-softmax"  # training loss, or "package.module:name"
    # Sampled negatives a step; where cold items leave fewer, all that are not cold.
    negatives: int = 256
    log_q: bool = True  # sampled-softmax: correct the scores for how seldom an item is drawn
    # Whether items of a user's own training history are negatives.
    own_history: str = "leave-out"
    calibration: float = 0.75  # t of gbce: 0 is bce, 1 removes its overconfidence fully

    def problems(self) -> Iterator[str]:
        """Check every key; see ``Section.problems``."""
        yield one_of("loss.name", self.name, LOSSES, or_code=True)
        yield count("loss.negatives", self.negatives)
        yield one_of("loss.own-history", self.own_history, OWN_HISTORIES)
        is_share = 0 <= self.calibration <= 1
        yield require(is_share, "loss.calibration", "between 0 and 1", self.calibration)
