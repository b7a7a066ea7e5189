"""Scenarios of scarcity: which events models get to see, in training and when they are asked.

Users, items and their numbers, partitions and held-out events stay what they are, and so does what
a target is ranked against: a run in a scenario and one without it rank the same targets among the
same candidates, and can be compared user by user.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedrec.data.sequences import Sequences, marked, pieces
from fedrec.data.splits import Stage, before_targets
from fedrec.errors import ConfigError
from fedrec.randomness import generator

Mask = NDArray[np.bool_]

LEAST_KEPT = 2  # training events of a user that thinning leaves: one to read, one to predict


@dataclass(frozen=True, eq=False)  # one of two equal ones is not the other
class Seen:
    """What models get to see of everybody's events; users keep their number.

    Attributes:
        training: training parts, and what is read before a validation item.
        before_test: what is read before a test item; none where no event is hidden, and whole
            histories are read at both stages.
    """

    training: Sequences
    before_test: Sequences | None = None

    def before(self, stage: Stage) -> Sequences | None:
        """What is read before the target of a stage; none for whole histories."""
        if self.before_test is None:
            return None
        return self.training if stage == "validation" else self.before_test


def cold_items(share: float, *, seed: int, num_items: int) -> Mask:
    """Items that are targets only, (V + 1,); those of a smaller share are among them.

    Raises:
        ConfigError: the share is so small that there are none.
    """
    return _first("cold", share, np.ones(num_items + 1, dtype=bool), seed)


def few_shot_items(share: float, *, cold: Mask, seed: int) -> Mask:
    """Items that are seldom seen in training, (V + 1,), none of them among the cold (V + 1,).

    Raises:
        ConfigError: the share is so small that there are none.
    """
    return _first("few-shot", share, ~cold, seed)


def visible_events(
    sequences: Sequences,
    *,
    cold: Mask,
    few_shot: Mask,
    few_shot_events: int,
    keep: float,
    seed: int,
) -> Mask:
    """Which events may be seen, (T,); each setting hides events whatever the others hide.

    Args:
        sequences: whole sequences of U users.
        cold: (V + 1,) items without a visible event, neither in training nor as an input.
        few_shot: (V + 1,) items with ``few_shot_events`` visible training events at most, any of
            them alike. Their held-out events are visible.
        few_shot_events: that many.
        keep: share of each user's training events that stays visible, at least two events. Each
            user has a stream of its own; what a smaller share keeps, a larger one keeps, too.
        seed: of the run.

    Returns:
        (T,) a validation item is visible unless it is cold. (A test item is never an input.)
    """
    items, lengths = np.asarray(sequences.items), sequences.lengths()
    visible: Mask = ~cold[items]
    training = np.flatnonzero(before_targets(sequences, "validation"))
    if keep < 1:
        users = np.repeat(np.arange(len(lengths)), lengths)[training]
        counts = np.bincount(users, minlength=len(lengths))
        streams = [
            generator(seed, "scenario", "keep", user).random(count)
            for user, count in enumerate(counts.tolist())
        ]
        quota = np.maximum(np.rint(keep * counts).astype(np.int64), LEAST_KEPT)
        visible[training] &= _smallest(np.concatenate([*streams, []]), users, quota)
    if few_shot.any():
        drawn = generator(seed, "scenario", "few-shot events").random(len(training))
        quota = np.where(few_shot, few_shot_events, len(training))
        visible[training] &= _smallest(drawn, items[training], quota)
    return visible


def seen_events(sequences: Sequences, visible: Mask, newest: int) -> Seen:
    """What models see of whole sequences before each target.

    Args:
        sequences: of U users.
        visible: (T,) of ``visible_events``.
        newest: of a user's visible events before the target, so many are seen, the newest; 0: all.
    """

    def before(stage: Stage) -> Sequences:
        seen = marked(sequences, visible & before_targets(sequences, stage))
        starts, ends = seen.offsets[:-1], seen.offsets[1:]
        return pieces(seen, np.maximum(starts, ends - newest), ends) if newest else seen

    return Seen(before("validation"), before("test"))


def _first(name: str, share: float, allowed: Mask, seed: int) -> Mask:
    """The first of a shuffled catalogue that are allowed; ``share`` is of the whole catalogue."""
    num_items = len(allowed) - 1
    count = round(share * num_items)
    if share and not count:
        raise ConfigError(
            f"scenario.{name}-items is {share}, which is none of {num_items} items; raise it, or "
            "set it to 0"
        )
    order = generator(seed, "scenario", name).permutation(num_items) + 1
    chosen = np.zeros(num_items + 1, dtype=bool)
    chosen[order[allowed[order]][:count]] = True
    return chosen


def _smallest(
    drawn: NDArray[np.float64], owners: NDArray[np.integer], quota: NDArray[np.integer]
) -> Mask:
    """Whether each of n numbers is among the ``quota[owner]`` smallest of its owner's, (n,)."""
    order = np.lexsort((drawn, owners))
    counts = np.bincount(owners, minlength=len(quota))
    first = np.cumsum(counts) - counts
    place = np.empty(len(drawn), dtype=np.int64)
    place[order] = np.arange(len(drawn)) - first[owners[order]]
    chosen: Mask = place < quota[owners]
    return chosen
