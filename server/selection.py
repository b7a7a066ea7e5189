"""Which clients take part in a round: drawn by partition number from the run's own stream."""

import math
from collections.abc import Sequence

from fedrec.randomness import generator


def cohort_size(partitions: int, fraction: float) -> int:
    """How many of the partitions a fraction is, rounded up to at least one; .14 of 50 are 7."""
    return max(1, math.ceil(fraction * partitions - 1e-9))


def chosen_partitions(
    partitions: Sequence[int], fraction: float, *, seed: int, round: int, purpose: str
) -> list[int]:
    """Draw a fraction of the partitions, in ascending order.

    Flower's node ids are random in every run, so a draw over them cannot be repeated; partition
    numbers can.

    Args:
        partitions: numbers to draw from.
        fraction: share of them, rounded up to at least one.
        seed: of the run.
        round: number of the round.
        purpose: "select" for training, another word for another draw.
    """
    count = cohort_size(len(partitions), fraction)
    if count >= len(partitions):
        return sorted(partitions)
    drawn = generator(seed, purpose, round).choice(len(partitions), size=count, replace=False)
    ordered = sorted(partitions)
    return sorted(ordered[place] for place in drawn)


def enough(min_participation: float, chosen: int) -> int:
    """How many usable replies a round needs of the clients that it asked: at least one."""
    return cohort_size(chosen, min_participation)
