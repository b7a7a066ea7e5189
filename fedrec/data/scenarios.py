"""Scenarios of scarce data: the training view, which hides events in training and from inputs.

Users, items, partitions, held-out items and candidates stay the same: a run in a scenario and one
without it rank the same targets among the same candidates, and can be compared user by user. (Where
users are unseen in training, they alone are ranked.)
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
class TrainingView:
    """Events that models may use; users keep their number.

    Attributes:
        training: Training parts, which are also the inputs before a validation item, where
            ``before_validation`` is none.
        before_test: Inputs before a test item; none where no event is hidden, and whole histories
            are read at both stages.
        before_validation: Inputs before a validation item, where unseen users have some.
    """

    training: Sequences
    before_test: Sequences | None = None
    before_validation: Sequences | None = None

    def before(self, stage: Stage) -> Sequences | None:
        """Inputs before the target of a stage; none for whole histories."""
        if self.before_test is None:
            return None
        if stage == "test":
            return self.before_test
        return self.training if self.before_validation is None else self.before_validation


def cold_items(share: float, *, seed: int, num_items: int) -> Mask:
    """Draw cold items (V + 1,): held-out targets only; smaller shares are subsets of larger ones.

    Raises:
        ConfigError: The share is so small that there are none.
    """
    return _first("cold", share, np.ones(num_items + 1, dtype=bool), seed)


def few_shot_items(share: float, *, cold: Mask, seed: int) -> Mask:
    """Draw few-shot items (V + 1,) with few training events, none of them among the cold (V + 1,).

    Raises:
        ConfigError: The share is so small that there are none.
    """
    return _first("few-shot", share, ~cold, seed)


def unseen_users(share: float, *, seed: int, num_users: int) -> dict[Stage, Mask]:
    """Draw users whom no training sees, (U,) for each stage; no user is in both.

    Args:
        share: Share of the users that each stage gets, below 1/2.
        seed: Seed of the run.
        num_users: U.

    Raises:
        ConfigError: The share is no user, or leaves nobody to train on.
    """
    count = round(share * num_users)
    if not 0 < 2 * count < num_users:
        raise ConfigError(
            f"scenario.unseen-users is {share}, which is {count} of {num_users} users each for "
            "validation and test; some must be, and some must be left to train on"
        )
    order = generator(seed, "scenario", "unseen-users").permutation(num_users)
    stages: tuple[Stage, ...] = ("validation", "test")
    found = {}
    for number, stage in enumerate(stages):
        found[stage] = np.zeros(num_users, dtype=bool)
        found[stage][order[number * count : (number + 1) * count]] = True
    return found


def view_mask(
    sequences: Sequences,
    *,
    cold: Mask,
    few_shot: Mask,
    few_shot_events: int,
    keep: float,
    seed: int,
) -> Mask:
    """Mask (T,) of the events in the training view; each setting hides events independently.

    Args:
        sequences: Whole sequences of U users.
        cold: (V + 1,) Items without an event in the view, neither in training nor as an input.
        few_shot: (V + 1,) Items with at most ``few_shot_events`` training events in the view,
            drawn uniformly. Their held-out events are in the view.
        few_shot_events: Number of training events that a few-shot item keeps at most.
        keep: Share of each user's training events that stay in the view, at least two events. Each
            user has a random stream; events of a smaller share are among those of a larger.
        seed: Seed of the run.

    Returns:
        (T,) a validation item is in the view unless it is cold. (A test item is never an input.)
    """
    items, lengths = np.asarray(sequences.items), sequences.lengths()
    in_view: Mask = ~cold[items]
    training = np.flatnonzero(before_targets(sequences, "validation"))
    if keep < 1:
        users = np.repeat(np.arange(len(lengths)), lengths)[training]
        counts = np.bincount(users, minlength=len(lengths))
        streams = [
            generator(seed, "scenario", "keep", user).random(count)
            for user, count in enumerate(counts.tolist())
        ]
        quota = np.maximum(np.rint(keep * counts).astype(np.int64), LEAST_KEPT)
        in_view[training] &= _smallest(np.concatenate([*streams, []]), users, quota)
    if few_shot.any():
        drawn = generator(seed, "scenario", "few-shot events").random(len(training))
        quota = np.where(few_shot, few_shot_events, len(training))
        in_view[training] &= _smallest(drawn, items[training], quota)
    return in_view


def training_view(
    sequences: Sequences, in_view: Mask, newest: int, unseen: Mask | None = None
) -> TrainingView:
    """Make the training view of whole sequences.

    Args:
        sequences: Sequences of U users.
        in_view: (T,) Mask of ``view_mask``.
        newest: How many of a user's newest events before the target are in the view; 0: all.
        unseen: (U,) Users whose events are inputs only; none by default.
    """

    def before(stage: Stage) -> Sequences:
        view = marked(sequences, in_view & before_targets(sequences, stage))
        starts, ends = view.offsets[:-1], view.offsets[1:]
        return pieces(view, np.maximum(starts, ends - newest), ends) if newest else view

    training, before_test = before("validation"), before("test")
    if unseen is None or not unseen.any():
        return TrainingView(training, before_test)
    ends = np.where(unseen, training.offsets[:-1], training.offsets[1:])
    return TrainingView(pieces(training, training.offsets[:-1], ends), before_test, training)


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
